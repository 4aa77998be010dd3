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

/// Threads that a monitor may have beside its virtual CPUs and what the budget allows: its event loops and the pools behind its
/// files. QEMU starts up to 64 threads for each event loop (`thread-pool-max` in qapi/qom.json), virtiofsd as many for its own.
const MONITOR_THREADS: u64 = 256;

/// The limits of a monitor's cgroup: the budget's CPUs, `memory` bytes, and threads for the guest's CPUs and for itself. The
/// budget's processes are those of the guest's own kernel, which nothing on the host counts.
pub(crate) fn monitor_limits(budget: &Budget, vcpus: u64, memory: u64) -> Budget {
    let own = u32::try_from(vcpus + MONITOR_THREADS).unwrap_or(u32::MAX);
    let processes = budget.processes.map(|limit| limit.saturating_add(own));
    Budget { cpus: budget.cpus.clone(), memory, processes }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_has_threads_beside_the_budgets() {
        let budget = |processes| Budget { cpus: "1".parse().expect("a list"), memory: 9, processes };
        assert_eq!(monitor_limits(&budget(Some(64)), 255, 7), Budget { memory: 7, ..budget(Some(575)) });
        assert_eq!(monitor_limits(&budget(None), 1, 7).processes, None);
    }
}
