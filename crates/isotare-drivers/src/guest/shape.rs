//! How large a machine is, as every driver of machines lets it be chosen.

use isotare_core::{Budget, Kind, SettingDef, Settings, Unavailable};

/// Least memory with which a distribution's kernel and an initramfs of ours come up.
const LEAST_MEMORY: u64 = 96 << 20;

/// The setting for the number of virtual CPUs.
pub(crate) const VCPUS: SettingDef = SettingDef {
    key: "vcpus",
    kind: Kind::Integer { min: 1, max: 255 },
    default: None,
    help: "virtual CPUs; without it as many as the budget has CPUs",
};

/// The setting for the guest's memory.
pub(crate) const MEMORY: SettingDef = SettingDef {
    key: "memory",
    kind: Kind::Size,
    default: None,
    help: "the guest's memory; without it the budget's",
};

/// The setting for the guest's kernel.
pub(crate) const KERNEL: SettingDef = SettingDef {
    key: "kernel",
    kind: Kind::Text,
    default: None,
    help: "the guest's kernel; without it the newest cloud kernel in /boot, else the newest",
};

/// CPUs and memory of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) vcpus: u64,
    /// Bytes, whole MiB.
    pub(crate) memory: u64,
}

impl Shape {
    /// Reads checked settings; what they leave open is the budget's.
    pub(crate) fn read(settings: &Settings, budget: &Budget) -> Result<Self, Unavailable> {
        let wanted = settings.integer("memory").unwrap_or(budget.memory);
        if wanted < LEAST_MEMORY {
            return Err(Unavailable::new(
                format!("{wanted} bytes of memory are too few for a guest"),
                format!("give it {} MiB or more (setting memory, or the budget)", LEAST_MEMORY >> 20),
            ));
        }
        let vcpus = settings.integer("vcpus").unwrap_or_else(|| budget.cpus.count().into());
        Ok(Self { vcpus, memory: wanted >> 20 << 20 })
    }
}
