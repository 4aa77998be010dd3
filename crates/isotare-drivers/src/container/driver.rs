//! The driver: settings, and the way from an image to an environment.

use super::environment::{Choice, ContainerEnvironment, Network};
use super::wire::RootKind;
use super::{probe, veth};
use isotare_core::{
    Attaching, Capabilities, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation, Kind,
    PrepareContext, RuntimeInfo, SettingDef, Settings, Unavailable,
};

/// Containers without a container engine.
#[derive(Debug)]
pub struct Container;

/// The version of the runtime that is linked in.
pub(super) const RUNTIME: &str = "libcontainer 0.7";

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "veth", "host"]),
        default: Some("none"),
        help: "none: a new network namespace with a loopback link; veth: also one end of a veth pair (needs \
               root); host: the host's network",
    },
    SettingDef {
        key: "root",
        kind: Kind::Choice(&["overlay", "bind", "copy"]),
        default: Some("overlay"),
        help: "root file system: an overlay, a read-only bind mount of the tree (except for the data folder \
               and /tmp), or a copy for each instance",
    },
    SettingDef {
        key: "cgroup",
        kind: Kind::Choice(&["new", "reused"]),
        default: Some("new"),
        help: "a new cgroup for each instance, or one cgroup that is reused for all",
    },
    SettingDef {
        key: "user",
        kind: Kind::Choice(&["new", "host"]),
        default: None,
        help: "new: a new user namespace (the default without root, where it is the only possibility); host: \
               the host's user namespace (the default as root)",
    },
];

impl Driver for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn summary(&self) -> &'static str {
        "a container of the embedded runtime (libcontainer); nothing to install, works without root"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: false,
            rootless: true,
            pause: true,
            segment: Attaching::WhenReady,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "those of Docker's default seccomp profile",
            root: "the host's root with Docker's default capabilities; if rootless, the user who runs it",
            sources: &["https://docs.docker.com/engine/security/seccomp/", "user_namespaces(7)"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        probe::probe(choose(settings)?, cx)
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(ContainerEnvironment::prepare(choose(settings)?, image, cx)?))
    }
}

/// The choice of the settings, if it is possible for this user.
fn choose(settings: &Settings) -> Result<Choice, Unavailable> {
    let root = rustix::process::geteuid().is_root();
    let own_user = match settings.text("user") {
        Some("new") => true,
        Some("host") if !root => {
            return Err(Unavailable::new("user=host needs root", "run isotare as root, or use user=new"));
        }
        _ => !root,
    };
    let network = match settings.text("network") {
        Some("veth") if root && own_user => {
            let why = "network=veth does not work in a user namespace";
            return Err(Unavailable::new(why, "use user=host, or network=none"));
        }
        Some("veth") => Network::Veth(veth::usable()?),
        Some("host") => Network::Host,
        _ => Network::None,
    };
    let root = match settings.text("root") {
        Some("bind") => RootKind::Bind,
        Some("copy") => RootKind::Copy,
        _ => RootKind::Overlay,
    };
    Ok(Choice { root, network, reuse_group: settings.text("cgroup") == Some("reused"), own_user })
}
