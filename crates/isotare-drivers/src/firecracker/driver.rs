//! The driver: settings, and the way from an image to an environment.

use super::api::DIALECT;
use crate::guest::{KERNEL, MEMORY, VCPUS};
use crate::vmm::VmmEnvironment;
use isotare_core::{
    Capabilities, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation, Kind, PrepareContext,
    RuntimeInfo, SettingDef, Settings, Unavailable,
};

/// MicroVMs of Firecracker.
#[derive(Debug)]
pub struct Firecracker;

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "binary",
        kind: Kind::Text,
        default: None,
        help: "Firecracker's program; default: the one in PATH",
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
        kind: Kind::Choice(&["writeback", "unsafe"]),
        default: Some("writeback"),
        help: "the disk's cache on the host: the page cache, or the page cache without flushes",
    },
    SettingDef {
        key: "io",
        kind: Kind::Choice(&["sync", "async"]),
        default: Some("sync"),
        help: "how the disk's file is accessed: one system call for each access, or io_uring",
    },
];

impl Driver for Firecracker {
    fn name(&self) -> &'static str {
        "firecracker"
    }

    fn summary(&self) -> &'static str {
        "a Firecracker microVM with a distribution's kernel, on KVM"
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
            system_calls: "none from the guest; a few from Firecracker, which its own filter allows",
            root: "nobody on the host; Firecracker runs as the user who starts it (without its jailer)",
            sources: &["https://github.com/firecracker-microvm/firecracker/blob/main/docs/design.md"],
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
