//! The driver: settings, and the way from an image to an environment.

use super::environment::QemuEnvironment;
use super::probe;
use super::spec::Spec;
use isotare_core::{
    Capabilities, Driver, DriverError, Environment, Image, Kind, PrepareContext, RuntimeInfo, SettingDef,
    Settings, Unavailable,
};

/// Virtual machines of QEMU.
#[derive(Debug)]
pub struct Qemu;

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "accel",
        kind: Kind::Choice(&["tcg", "kvm"]),
        default: Some("tcg"),
        help: "what executes the guest: tcg (software emulation) or kvm (the processor)",
    },
    SettingDef {
        key: "machine",
        kind: Kind::Choice(&["microvm", "q35", "pc"]),
        default: Some("microvm"),
        help: "machine model",
    },
    SettingDef {
        key: "vcpus",
        kind: Kind::Integer { min: 1, max: 255 },
        default: None,
        help: "virtual CPUs; without it as many as the budget has CPUs",
    },
    SettingDef {
        key: "memory",
        kind: Kind::Size,
        default: None,
        help: "the guest's memory; without it the budget's",
    },
    SettingDef {
        key: "disk",
        kind: Kind::Choice(&["none", "raw", "qcow2"]),
        default: Some("raw"),
        help: "where the data folder is: the guest's memory (none), or an ext4 disk in a file of this format",
    },
    SettingDef {
        key: "cache",
        kind: Kind::Choice(&["none", "writeback", "unsafe"]),
        default: Some("none"),
        help: "the disk's cache on the host: none (O_DIRECT), page cache, or page cache without flushes",
    },
    SettingDef {
        key: "kernel",
        kind: Kind::Text,
        default: None,
        help: "the guest's kernel; without it the newest cloud kernel in /boot, else the newest",
    },
    SettingDef {
        key: "cpu",
        kind: Kind::Text,
        default: None,
        help: "CPU model as for QEMU's -cpu; without it max (tcg) or host (kvm)",
    },
];

impl Driver for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn summary(&self) -> &'static str {
        "a QEMU virtual machine with a distribution's kernel, by software emulation or KVM"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn variants(&self) -> &'static [&'static str] {
        &["accel=kvm", "accel=tcg"]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { own_kernel: true, host_files: false, rootless: true }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        probe::probe(Spec::read(settings, cx.budget)?, cx)
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(QemuEnvironment::prepare(Spec::read(settings, cx.budget)?, image, cx)?))
    }
}
