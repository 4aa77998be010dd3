//! The driver: its settings, and its requirements.

use super::environment::DockerEnvironment;
use super::reached::{self, Reached};
use super::{info, removal};
use isotare_core::{
    Attaching, Capabilities, Deadline, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation,
    Kind, PrepareContext, Resource, RuntimeInfo, SettingDef, Settings, Unavailable,
};

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "runtime",
        kind: Kind::Text,
        default: None,
        help: "OCI runtime, by its name in the daemon, such as runc; default: the daemon's default",
    },
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "bridge", "host"]),
        default: Some("none"),
        help: "network of the container",
    },
    SettingDef {
        key: "storage",
        kind: Kind::Choice(&["overlay2", "vfs", "btrfs", "fuse-overlayfs", "zfs"]),
        default: None,
        help: "storage driver; if the daemon has another one, isotare starts its own daemon; default: the \
               daemon's",
    },
    SettingDef {
        key: "publish",
        kind: Kind::Text,
        default: None,
        help: "a published port, as HOST:CONTAINER; needs network=bridge",
    },
    SettingDef {
        key: "host",
        kind: Kind::Text,
        default: None,
        help: "the daemon's socket, as unix:///path; default: DOCKER_HOST, otherwise /var/run/docker.sock",
    },
];

/// Containers of a Docker daemon.
#[derive(Debug)]
pub struct Docker;

impl Driver for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn summary(&self) -> &'static str {
        "a container of the Docker daemon on this machine, started with its Engine API"
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
            kernel: "the host's, or that of the chosen OCI runtime",
            system_calls: "those of the daemon's seccomp profile",
            root: "the host's root with few capabilities; a user of the host if the daemon is rootless or \
                   remaps users",
            sources: &[
                "https://docs.docker.com/engine/security/seccomp/",
                "https://docs.docker.com/engine/security/rootless/",
            ],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let examine = || {
            let Reached { engine, said, .. } = &reached::reach(settings, cx)?;
            info::describe(engine, said, settings, &cx.deadline)
        };
        examine().map_err(|error| error.unavailable("look at the daemon's log (journalctl -u docker)"))
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(DockerEnvironment::prepare(reached::reach(settings, cx)?, settings, image, cx)?))
    }

    fn release(&self, resource: &Resource, deadline: &Deadline) -> Result<bool, DriverError> {
        match resource {
            Resource::Managed { driver, what, id } if driver == self.name() => {
                removal::release(what, id, deadline)
            }
            _ => Ok(false),
        }
    }
}
