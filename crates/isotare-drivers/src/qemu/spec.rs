//! The settings as types.

use isotare_core::{Budget, Settings, Unavailable};

/// Least memory with which a distribution's kernel and an initramfs of ours come up.
const LEAST_MEMORY: u64 = 96 << 20;

/// QEMU's machine model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// Virtio over memory-mapped registers and little else.
    Microvm,
    /// A PC with PCI Express.
    Q35,
    /// A PC with the i440FX chipset.
    Pc,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// Software emulation, a host thread for each virtual CPU.
    Tcg,
    /// The processor, through `/dev/kvm`.
    Kvm,
}

/// The data disk's format on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskFormat {
    /// A sparse file of the disk's blocks.
    Raw,
    /// An overlay over the template.
    Qcow2,
}

/// What a user asks for, with the budget filled in.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) machine: Machine,
    pub(super) accelerator: Accelerator,
    pub(super) vcpus: u64,
    /// Bytes, whole MiB.
    pub(super) memory: u64,
    /// `None`: the data folder is part of the initramfs.
    pub(super) disk: Option<DiskFormat>,
    /// As QEMU spells it.
    pub(super) cache: String,
    /// The kernel's file, if the user chose one.
    pub(super) kernel: Option<String>,
    /// As QEMU spells it.
    pub(super) cpu: String,
}

impl Machine {
    /// Its name in QEMU and in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Machine::Microvm => "microvm",
            Machine::Q35 => "q35",
            Machine::Pc => "pc",
        }
    }

    /// What runs before the kernel.
    pub(super) fn firmware(self) -> &'static str {
        match self {
            Machine::Microvm => "qboot",
            Machine::Q35 | Machine::Pc => "SeaBIOS",
        }
    }
}

impl Accelerator {
    /// Its name in QEMU and in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

impl DiskFormat {
    /// Its name in QEMU and in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
        }
    }
}

impl Spec {
    /// Reads checked settings.
    pub(super) fn read(settings: &Settings, budget: &Budget) -> Result<Self, Unavailable> {
        let accelerator = match settings.text("accel") {
            Some("kvm") => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        };
        let machine = match settings.text("machine") {
            Some("q35") => Machine::Q35,
            Some("pc") => Machine::Pc,
            _ => Machine::Microvm,
        };
        let disk = match settings.text("disk") {
            Some("none") => None,
            Some("qcow2") => Some(DiskFormat::Qcow2),
            _ => Some(DiskFormat::Raw),
        };
        let wanted = settings.integer("memory").unwrap_or(budget.memory);
        if wanted < LEAST_MEMORY {
            return Err(Unavailable::new(
                format!("{wanted} bytes of memory are too few for a guest"),
                format!("give it {} MiB or more (setting memory, or the budget)", LEAST_MEMORY >> 20),
            ));
        }
        let own_cpu = match accelerator {
            Accelerator::Tcg => "max",
            Accelerator::Kvm => "host",
        };
        Ok(Self {
            machine,
            accelerator,
            vcpus: settings.integer("vcpus").unwrap_or_else(|| budget.cpus.count().into()),
            memory: wanted >> 20 << 20,
            disk,
            cache: settings.text("cache").unwrap_or("none").to_owned(),
            kernel: settings.text("kernel").map(str::to_owned),
            cpu: settings.text("cpu").unwrap_or(own_cpu).to_owned(),
        })
    }
}
