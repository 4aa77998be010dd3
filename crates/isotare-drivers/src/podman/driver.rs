//! The driver: its description, and its requirements.

use super::environment::PodmanEnvironment;
use super::info;
use super::options::SETTINGS;
use super::store::Store;
use isotare_core::{
    Attaching, Capabilities, Driver, DriverError, Environment, Image, Isolation, PrepareContext, RuntimeInfo,
    SettingDef, Settings, Unavailable,
};

/// Containers of Podman.
#[derive(Debug)]
pub struct Podman;

impl Driver for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn summary(&self) -> &'static str {
        "a container of Podman, which has no daemon, started with its command line"
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
            system_calls: "those of Podman's seccomp profile",
            root: "the host's root with few capabilities; rootless: the user",
            sources: &[
                "podman-run(1)",
                "https://github.com/containers/common/blob/main/pkg/seccomp/seccomp.json",
            ],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let examine = || {
            let store = Store::open(settings, cx)?;
            let info = info::ask(&store, &cx.deadline);
            store.record_holder(cx)?;
            info
        };
        examine().map_err(|error| {
            error.unavailable("check that 'podman info' works, and that all parts of Podman are installed")
        })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(PodmanEnvironment::prepare(Store::open(settings, cx)?, image, cx)?))
    }
}
