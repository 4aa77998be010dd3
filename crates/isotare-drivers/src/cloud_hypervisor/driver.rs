//! The driver: settings, and the way from an image to an environment.

use super::api::DIALECT;
use crate::guest::{KERNEL, MEMORY, VCPUS};
use crate::vmm::VmmEnvironment;
use isotare_core::{
    Capabilities, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation, Kind, PrepareContext,
    RuntimeInfo, SettingDef, Settings, Unavailable,
};

/// Virtual machines of Cloud Hypervisor.
#[derive(Debug)]
pub struct CloudHypervisor;

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "binary",
        kind: Kind::Text,
        default: None,
        help: "Cloud Hypervisor's program; default: the one in PATH",
    },
    VCPUS,
    MEMORY,
    KERNEL,
    SettingDef {
        key: "disk",
        kind: Kind::Choice(&["none", "raw"]),
        default: Some("raw"),
        help: "place of the data folder: the guest's memory (none), or an ext4 disk in a file",
    },
    SettingDef {
        key: "cache",
        kind: Kind::Choice(&["none", "writeback"]),
        default: Some("none"),
        help: "the disk's cache on the host: none (O_DIRECT), or the page cache",
    },
];

impl Driver for CloudHypervisor {
    fn name(&self) -> &'static str {
        "cloud-hypervisor"
    }

    fn summary(&self) -> &'static str {
        "a Cloud Hypervisor virtual machine with a distribution's kernel, on KVM"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: true,
            host_files: false,
            rootless: true,
            pause: true,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "its own",
            system_calls: "none from the guest; a few from Cloud Hypervisor, which its own filter allows",
            root: "nobody on the host; Cloud Hypervisor runs as the user who starts it",
            sources: &["https://github.com/cloud-hypervisor/cloud-hypervisor/blob/main/docs/seccomp.md"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        VmmEnvironment::probe(DIALECT, settings, cx)
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(VmmEnvironment::prepare(DIALECT, settings, image, cx)?))
    }
}
