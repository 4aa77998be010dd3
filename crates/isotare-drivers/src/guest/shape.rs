//! The size of a machine: settings that all drivers of machines have.

use isotare_core::{Budget, Kind, SettingDef, Settings, Unavailable};

/// Smallest memory with which a distribution's kernel and our initramfs boot.
const LEAST_MEMORY: u64 = 96 << 20;

/// The setting for the number of virtual CPUs.
pub(crate) const VCPUS: SettingDef = SettingDef {
    key: "vcpus",
    kind: Kind::Integer { min: 1, max: 255 },
    default: None,
    help: "number of virtual CPUs; default: the number of CPUs in the budget",
};

/// The setting for the guest's memory.
pub(crate) const MEMORY: SettingDef = SettingDef {
    key: "memory",
    kind: Kind::Size,
    default: None,
    help: "the guest's memory; default: the memory of the budget",
};

/// The setting for the guest's kernel.
pub(crate) const KERNEL: SettingDef = SettingDef {
    key: "kernel",
    kind: Kind::Text,
    default: None,
    help: "the guest's kernel; default: the newest cloud kernel in /boot, otherwise the newest kernel",
};

/// Number of threads that a monitor may have in addition to its virtual CPUs and the processes of the budget:
/// its event loops and its pools for file access. QEMU starts up to 64 threads for each event loop
/// (`thread-pool-max` in qapi/qom.json), virtiofsd starts as many of its own.
const MONITOR_THREADS: u64 = 256;

/// The limits of a monitor's cgroup: the budget's CPUs, `memory` bytes, and threads for the guest's CPUs and
/// for itself. The budget's processes are processes of the guest's own kernel, which the host cannot count.
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
    /// Reads checked settings. Values that are not set are taken from the budget.
    pub(crate) fn read(settings: &Settings, budget: &Budget) -> Result<Self, Unavailable> {
        let wanted = settings.integer("memory").unwrap_or(budget.memory);
        if wanted < LEAST_MEMORY {
            return Err(Unavailable::new(
                format!("{wanted} bytes of memory are not enough for a guest"),
                format!(
                    "give it {} MiB or more (with the setting memory, or the budget)",
                    LEAST_MEMORY >> 20
                ),
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
    fn a_monitor_may_have_more_threads_than_the_budget() {
        let budget = |processes| Budget { cpus: "1".parse().expect("a list"), memory: 9, processes };
        assert_eq!(monitor_limits(&budget(Some(64)), 255, 7), Budget { memory: 7, ..budget(Some(575)) });
        assert_eq!(monitor_limits(&budget(None), 1, 7).processes, None);
    }
}
