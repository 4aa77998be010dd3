//! The driver: its settings, and its requirements.

use super::config::COMMON;
use super::environment::LxcEnvironment;
use crate::container::veth;
use crate::installed::{program, root_only, version};
use crate::loop_mount::LoopMount;
use crate::spawned::usable_cgroups;
use isotare_core::{
    Attaching, Capabilities, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation, Kind,
    PrepareContext, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "storage",
        kind: Kind::Choice(&["overlay", "dir", "btrfs"]),
        default: Some("overlay"),
        help: "root file system of an instance: an overlay that liblxc mounts, a copy, or a btrfs snapshot",
    },
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "veth"]),
        default: Some("none"),
        help: "network interfaces in addition to the loopback link: none, or one end of a veth pair",
    },
    SettingDef {
        key: "unprivileged",
        kind: Kind::Flag,
        default: Some("false"),
        help: "whether it has a user namespace, so that its root is another user of the host; needs \
               storage=dir or btrfs",
    },
];

const PACKAGE: &str = "Debian: lxc";

/// Containers of liblxc's programs.
#[derive(Debug)]
pub struct Lxc;

/// The settings, checked against this machine.
pub(super) struct Choice {
    pub start: PathBuf,
    pub storage: String,
    pub ip: Option<PathBuf>,
    pub unprivileged: bool,
}

impl Choice {
    fn check(settings: &Settings) -> Result<Self, Unavailable> {
        root_only("lxc")?;
        let start = program("lxc-start", PACKAGE)?;
        if !Path::new(COMMON).is_file() {
            return Err(Unavailable::new(
                format!("there is no {COMMON}, which contains LXC's defaults"),
                format!("install it ({PACKAGE})"),
            ));
        }
        usable_cgroups().map_err(|why| Unavailable::new(why, "make the cgroup hierarchies writable"))?;
        let storage = settings.text("storage").unwrap_or("overlay").to_owned();
        let unprivileged = settings.flag("unprivileged");
        if unprivileged && storage == "overlay" {
            return Err(Unavailable::new(
                "liblxc cannot map the users of the files in an overlay",
                "use storage=dir or storage=btrfs with unprivileged=true",
            ));
        }
        if storage == "btrfs" {
            LoopMount::btrfs_usable()?;
        }
        let ip = match settings.text("network") {
            Some("veth") => Some(veth::usable()?),
            _ => None,
        };
        Ok(Self { start, storage, ip, unprivileged })
    }
}

impl Driver for Lxc {
    fn name(&self) -> &'static str {
        "lxc"
    }

    fn summary(&self) -> &'static str {
        "a system container of liblxc, with the defaults of its distribution and the agent as init"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: false,
            rootless: false,
            pause: true,
            segment: Attaching::WhenReady,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "all, except for a few that common.seccomp refuses",
            root: "the host's root without five capabilities; with unprivileged=true, another user",
            sources: &["https://linuxcontainers.org/lxc/security/", "lxc.container.conf(5)"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let choice = Choice::check(settings)?;
        let version = version(&choice.start, &["--version"], &cx.deadline)?;
        Ok(RuntimeInfo { version: format!("LXC {version}"), details: BTreeMap::new() })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(LxcEnvironment::prepare(Choice::check(settings)?, image, cx)?))
    }
}
