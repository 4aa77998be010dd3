//! The driver: settings, and the way from an image to an environment.

use super::environment::ContainerEnvironment;
use super::{probe, veth};
use isotare_core::{
    Capabilities, Driver, DriverError, Environment, Image, Kind, PrepareContext, RuntimeInfo, SettingDef,
    Settings, Unavailable,
};
use std::path::PathBuf;

/// Containers without a container engine.
#[derive(Debug)]
pub struct Container;

/// The version of the runtime that is linked in.
pub(super) const RUNTIME: &str = "libcontainer 0.7";

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "veth"]),
        default: Some("none"),
        help: "interfaces beside loopback: none, or one end of a veth pair (needs root)",
    },
    SettingDef {
        key: "root",
        kind: Kind::Choice(&["overlay"]),
        default: Some("overlay"),
        help: "root file system: an overlay whose writable layer is on the disk where all environments keep data",
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
        Capabilities { own_kernel: false, host_files: false, rootless: true }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        probe::probe(&wanted_ip(settings)?, cx)
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(ContainerEnvironment::prepare(wanted_ip(settings)?, image, cx)?))
    }
}

/// The program `ip` where the network setting needs it.
fn wanted_ip(settings: &Settings) -> Result<Option<PathBuf>, Unavailable> {
    match settings.text("network") {
        Some("veth") => veth::usable().map(Some),
        _ => Ok(None),
    }
}
