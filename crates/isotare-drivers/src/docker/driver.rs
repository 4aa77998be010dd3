//! The driver: its settings, and what it takes to work here.

use super::address::Address;
use super::engine::Engine;
use super::environment::DockerEnvironment;
use super::{info, removal};
use isotare_core::{
    Capabilities, Deadline, Driver, DriverError, Environment, Image, Kind, PrepareContext, Resource,
    RuntimeInfo, SettingDef, Settings, Unavailable,
};

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "runtime",
        kind: Kind::Text,
        default: None,
        help: "OCI runtime by the name that the daemon knows it under, as runc; default: the daemon's default",
    },
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "bridge", "host"]),
        default: Some("none"),
        help: "network of the container",
    },
    SettingDef {
        key: "host",
        kind: Kind::Text,
        default: None,
        help: "the daemon's socket, unix:///path; default: DOCKER_HOST, else /var/run/docker.sock",
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
        "a container of the Docker daemon on this machine, through its Engine API"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { own_kernel: false, host_files: false, rootless: true }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let examine = || {
            let engine = Engine::connect(Address::choose(settings)?, &cx.deadline)?;
            let said = info::ask(&engine, &cx.deadline)?;
            info::check(&engine, &said, settings, &cx.deadline)?;
            info::describe(&engine, &said, settings, &cx.deadline)
        };
        examine().map_err(|error| match error {
            DriverError::Unavailable(unavailable) => unavailable,
            other => Unavailable::new(other.to_string(), "see the daemon's log (journalctl -u docker)"),
        })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        let engine = Engine::connect(Address::choose(settings)?, &cx.deadline)?;
        let said = info::ask(&engine, &cx.deadline)?;
        info::check(&engine, &said, settings, &cx.deadline)?;
        Ok(Box::new(DockerEnvironment::prepare(engine, &said, settings, image, cx)?))
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
