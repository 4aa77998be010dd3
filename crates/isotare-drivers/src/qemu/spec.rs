//! The settings as types.

use super::confinement::Confinement;
use super::memory::Memory;
use super::network::Network;
use super::storage::Storage;
pub(super) use crate::guest::DATA_NAME;
use isotare_core::{Base, Budget, Settings, Unavailable};

/// QEMU's machine model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// Virtio over memory-mapped registers, with few other devices.
    Microvm,
    /// A PC with PCI Express.
    Q35,
    /// A PC with the i440FX chipset.
    Pc,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// Software emulation.
    Tcg {
        /// Whether each virtual CPU has a host thread of its own.
        multi: bool,
    },
    /// The processor, through `/dev/kvm`.
    Kvm,
}

/// Where the root file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// In the guest's memory.
    Initramfs,
    /// On an ext4 disk.
    Disk,
    /// In a folder of the host, which QEMU serves.
    NineP,
    /// In a folder of the host, which virtiofsd serves.
    Virtiofs,
}

/// What a user asks for, with the budget filled in.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) machine: Machine,
    pub(super) accelerator: Accelerator,
    pub(super) vcpus: u64,
    pub(super) memory: Memory,
    pub(super) root: Root,
    pub(super) storage: Storage,
    /// Whether the data folder is on a disk of its own; otherwise it is part of the root.
    pub(super) data_disk: bool,
    pub(super) network: Option<Network>,
    /// The kernel's file, if the user chose one.
    pub(super) kernel: Option<String>,
    /// As QEMU spells it.
    pub(super) cpu: String,
    pub(super) confinement: Confinement,
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

    /// A virtio device as this machine has it.
    pub(super) fn virtio(self, kind: &str, rest: &str) -> String {
        match self {
            Machine::Microvm => format!("{kind}-device{rest}"),
            Machine::Q35 | Machine::Pc => format!("{kind}-pci{rest}"),
        }
    }
}

impl Accelerator {
    /// Its name in QEMU and in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Accelerator::Tcg { .. } => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

impl Root {
    /// Its name in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Root::Initramfs => "initramfs",
            Root::Disk => "disk",
            Root::NineP => "9p",
            Root::Virtiofs => "virtiofs",
        }
    }

    /// The guest's modules for it.
    fn modules(self) -> &'static [&'static str] {
        match self {
            Root::Initramfs | Root::Disk => &[],
            Root::NineP => &["9pnet_virtio", "9p"],
            Root::Virtiofs => &["virtiofs"],
        }
    }

    /// Whether it is a folder of the host.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Root::NineP | Root::Virtiofs)
    }
}

impl Spec {
    /// Reads checked settings, for an image with this base.
    pub(super) fn read(settings: &Settings, budget: &Budget, base: &Base) -> Result<Self, Unavailable> {
        let accelerator = match (settings.text("accel"), settings.text("thread")) {
            (Some("kvm"), None) => Accelerator::Kvm,
            (Some("kvm"), Some(_)) => {
                return Err(Unavailable::new(
                    "thread=… is an option of software emulation, so it cannot be used with accel=kvm",
                    "remove it, or choose accel=tcg",
                ));
            }
            (_, thread) => Accelerator::Tcg { multi: thread != Some("single") },
        };
        let machine = match settings.text("machine") {
            Some("q35") => Machine::Q35,
            Some("pc") => Machine::Pc,
            _ => Machine::Microvm,
        };
        let root = match (settings.text("root"), base) {
            (Some("disk"), _) => Root::Disk,
            (Some("9p"), _) => Root::NineP,
            (Some("virtiofs"), _) => Root::Virtiofs,
            (_, Base::Empty) => Root::Initramfs,
            (None, _) => Root::Disk,
            (Some(_), _) => {
                return Err(Unavailable::new(
                    "root=initramfs would need the guest's memory for the whole file tree of the image",
                    "choose root=disk, root=9p or root=virtiofs for this image",
                ));
            }
        };
        let own_cpu = match accelerator {
            Accelerator::Tcg { .. } => "max",
            Accelerator::Kvm => "host",
        };
        Ok(Self {
            machine,
            accelerator,
            vcpus: settings.integer("vcpus").unwrap_or_else(|| budget.cpus.count().into()),
            memory: Memory::read(settings, budget)?,
            root,
            storage: Storage::read(settings, machine)?,
            data_disk: settings.text("disk") != Some("none"),
            network: Network::read(settings, machine)?,
            kernel: settings.text("kernel").map(str::to_owned),
            cpu: settings.text("cpu").unwrap_or(own_cpu).to_owned(),
            confinement: Confinement::read(settings, root),
        })
    }

    /// The disks it has, by the names of their file systems.
    pub(super) fn disks(&self) -> Vec<&'static str> {
        let root = (self.root == Root::Disk).then_some(ROOT_NAME);
        root.into_iter().chain(self.data_disk.then_some(DATA_NAME)).collect()
    }

    /// The guest's modules for its devices.
    pub(super) fn modules(&self) -> Vec<&'static str> {
        let transport = match self.machine {
            Machine::Microvm => "virtio_mmio",
            Machine::Q35 | Machine::Pc => "virtio_pci",
        };
        let mut list = vec![transport, "virtio_console"];
        if !self.disks().is_empty() {
            list.extend(self.storage.bus.modules(self.machine));
            list.push("ext4");
        }
        list.extend(self.root.modules());
        list.extend(self.network.map(|network| network.nic.module()));
        list
    }
}

/// The name of the root disk's file system, and the tag of a shared root.
pub(super) const ROOT_NAME: &str = "isotare-root";
