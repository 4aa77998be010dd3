//! The drivers `containerd` and `kata`.

use super::client::{Client, Ctr};
use crate::installed::{program, root_only};
use crate::oci::{BundleEnvironment, Runtime};
use crate::trial_life;
use isotare_core::{
    Attaching, Capabilities, Deadline, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation,
    Kind, PrepareContext, Resource, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PACKAGE: &str = "Debian: containerd, which is installed with docker.io";

const ADDRESS: SettingDef = SettingDef {
    key: "address",
    kind: Kind::Text,
    default: None,
    help: "containerd's socket; default: CONTAINERD_ADDRESS, otherwise /run/containerd/containerd.sock",
};

const NAMESPACE: SettingDef = SettingDef {
    key: "namespace",
    kind: Kind::Text,
    default: Some("isotare"),
    help: "containerd's namespace, in which the names of containers are unique",
};

const NETWORK: SettingDef = SettingDef {
    key: "network",
    kind: Kind::Choice(&["none", "host"]),
    default: Some("none"),
    help: "network of the container: none (a new namespace with only a loopback link) or host (the host's \
           network)",
};

/// Containers of containerd, with one shim or another.
#[derive(Debug)]
pub struct Containerd {
    name: &'static str,
    summary: &'static str,
    settings: &'static [SettingDef],
    isolation: Isolation,
    /// Whether each container is in a virtual machine.
    is_machine: bool,
    /// How long one may take to start.
    patience: Duration,
    remedy: &'static str,
}

/// containerd with any shim; the default is runc's.
pub static CONTAINERD: Containerd = Containerd {
    name: "containerd",
    summary: "a container of containerd on this machine, started with its client ctr",
    settings: &[
        SettingDef {
            key: "runtime",
            kind: Kind::Text,
            default: Some("io.containerd.runc.v2"),
            help: "the shim, such as io.containerd.runc.v2 or io.containerd.runsc.v1",
        },
        SettingDef {
            key: "channel",
            kind: Kind::Choice(&["socket", "stdio"]),
            default: Some("socket"),
            help: "how the agent connects to the host: socket, or stdio for shims whose containers cannot \
                   reach the host's sockets",
        },
        ADDRESS,
        NAMESPACE,
        NETWORK,
        IMAGE_SETTING,
    ],
    isolation: Isolation {
        kernel: "the host's, or that of the chosen shim",
        system_calls: "those of Docker's default seccomp profile",
        root: "the host's root with Docker's default capabilities",
        sources: &[
            "https://docs.docker.com/engine/security/seccomp/",
            "https://github.com/containerd/containerd/blob/main/docs/getting-started.md",
        ],
    },
    is_machine: false,
    patience: Duration::from_secs(20),
    remedy: "look at containerd's log (journalctl -u containerd), and check that the shim is installed",
};

/// Kata Containers: a virtual machine around each container, by its shim.
pub static KATA: Containerd = Containerd {
    name: "kata",
    summary: "a Kata container: a container in a light virtual machine, started by containerd",
    settings: &[
        SettingDef {
            key: "runtime",
            kind: Kind::Text,
            default: Some("io.containerd.kata.v2"),
            help: "the shim; other shims are named after their hypervisor, such as io.containerd.kata-fc.v2",
        },
        SettingDef {
            key: "config",
            kind: Kind::Text,
            default: None,
            help: "Kata's configuration file, which chooses QEMU, Firecracker or Cloud Hypervisor",
        },
        ADDRESS,
        NAMESPACE,
        IMAGE_SETTING,
    ],
    isolation: Isolation {
        kernel: "its own, in a virtual machine",
        system_calls: "none from the workload; those of the virtual machine monitor",
        root: "root of the machine's kernel",
        sources: &["https://github.com/kata-containers/kata-containers/tree/main/docs/design/architecture"],
    },
    is_machine: true,
    patience: Duration::from_secs(40),
    remedy: "run 'kata-runtime check', and look at containerd's log",
};

impl Containerd {
    fn ctr(&self, settings: &Settings) -> Result<Ctr, Unavailable> {
        let ctr = program("ctr", PACKAGE)?;
        let text = |key| settings.text(key).map(str::to_owned);
        let runtime = text("runtime").unwrap_or_default();
        if self.is_machine && !runtime.starts_with('/') {
            program(&shim(&runtime), "https://github.com/kata-containers/kata-containers/releases")?;
        }
        let client = Client {
            program: ctr,
            address: address(settings),
            namespace: text("namespace").unwrap_or_else(|| "isotare".to_owned()),
        };
        let config = text("config").map(PathBuf::from);
        // A virtual machine cannot reach sockets of the host.
        let stdio = self.is_machine || settings.text("channel") == Some("stdio");
        Ok(Ctr { client, driver: self.name, runtime, config, stdio })
    }

    fn ready(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<BundleEnvironment, DriverError> {
        let ctr = self.ctr(settings)?;
        let stdio = ctr.stdio;
        let runtime = |_: &Path| -> Arc<dyn Runtime> { Arc::new(ctr) };
        let own_network = settings.text("network") != Some("host");
        Ok(BundleEnvironment::prepare(runtime, own_network, image, cx)?.over_stdio(stdio))
    }
}

fn address(settings: &Settings) -> PathBuf {
    let usual = || "/run/containerd/containerd.sock".into();
    let chosen = settings.text("address").map(PathBuf::from);
    chosen.or_else(|| std::env::var_os("CONTAINERD_ADDRESS").map(PathBuf::from)).unwrap_or_else(usual)
}

/// The program of a shim, by containerd's rule (docs/runtime-v2.md): `io.containerd.kata.v2` is
/// `containerd-shim-kata-v2`.
fn shim(runtime: &str) -> String {
    let mut words = runtime.rsplit('.');
    let (version, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("containerd-shim-{name}-{version}")
}

impl Driver for Containerd {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn settings(&self) -> &'static [SettingDef] {
        self.settings
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: self.is_machine,
            host_files: false,
            rootless: false,
            pause: true,
            segment: if self.is_machine { Attaching::Unsupported } else { Attaching::WhenReady },
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        self.isolation
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        root_only(self.name)?;
        let ctr = self.ctr(settings)?;
        if let Err(error) = UnixStream::connect(&ctr.client.address) {
            return Err(Unavailable::new(
                format!("no containerd answers at {}: {error}", ctr.client.address.display()),
                "start it (systemctl start containerd), or name another socket with address=",
            ));
        }
        let broken = |error: DriverError| error.unavailable(self.remedy);
        let said = ctr.client.ask(&["version"], &cx.deadline).map_err(broken)?;
        let environment = self.ready(settings, &Image::default(), cx).map_err(broken)?;
        trial_life::live(&environment, self.patience, cx)
            .map_err(|why| Unavailable::new(why, self.remedy))?;
        let details = [("address", ctr.client.address.display().to_string()), ("shim", ctr.runtime)];
        let details = details.map(|(key, value)| (key.to_owned(), value)).into_iter();
        Ok(RuntimeInfo { version: server_version(&said), details: details.collect::<BTreeMap<_, _>>() })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(self.ready(settings, image, cx)?))
    }

    fn release(&self, resource: &Resource, deadline: &Deadline) -> Result<bool, DriverError> {
        match resource {
            Resource::Managed { driver, id, .. } if driver == self.name => {
                let unknown = || DriverError::failed("remove", id, format!("no record of {}", self.name));
                let found = Client::of_record(program("ctr", PACKAGE)?, id);
                let (client, container) = found.ok_or_else(unknown)?;
                client.remove(container, deadline)
            }
            _ => Ok(false),
        }
    }
}

/// The server's version in what `ctr version` says.
fn server_version(said: &str) -> String {
    let server = said.split_once("Server:").map_or(said, |(_, server)| server);
    let version = server.lines().find_map(|line| line.trim().strip_prefix("Version:"));
    format!("containerd {}", version.unwrap_or("of no known version").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_server_is_read() {
        // The output of ctr 1.6.20 on Debian 12.
        let said = "Client:\n  Version:  1.6.20~ds1\n  Revision: 1.6.20~ds1-1+b1\n  Go version: go1.19.8\n\n\
                    Server:\n  Version:  1.6.21~ds1\n  Revision: 1.6.20~ds1-1+b1\n  UUID: 0\n";
        assert_eq!(server_version(said), "containerd 1.6.21~ds1");
    }

    #[test]
    fn a_shims_program_follows_from_its_name() {
        assert_eq!(shim("io.containerd.kata.v2"), "containerd-shim-kata-v2");
        assert_eq!(shim("io.containerd.kata-fc.v2"), "containerd-shim-kata-fc-v2");
    }
}
