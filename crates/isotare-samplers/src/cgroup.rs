//! The sampler of the instance's cgroup. It defines names and units; `isotare-cgroup` reads the files.

use crate::meter::{Meter, MeterKind};
use isotare_cgroup::{CgroupStats, Hierarchies};
use isotare_core::{Footprint, Reading, Sampler, SamplerError, Timestamp, Unavailable, with_sources};

use MeterKind::{Counter, Last, Peak};

pub(crate) static METERS: &[Meter] = &[
    Meter::headline("cgroup_cpu", "s", Counter),
    Meter::detail("cgroup_cpu_user", "s", Counter),
    Meter::detail("cgroup_cpu_system", "s", Counter),
    Meter::detail("cgroup_throttled_periods", "1", Counter),
    Meter::detail("cgroup_throttled", "s", Counter),
    Meter::headline("cgroup_memory", "B", Peak),
    Meter::detail("cgroup_memory_peak", "B", Last),
    Meter::detail("cgroup_rss", "B", Peak),
    Meter::detail("cgroup_file", "B", Peak),
    Meter::detail("cgroup_read_bytes", "B", Counter),
    Meter::detail("cgroup_write_bytes", "B", Counter),
    Meter::detail("cgroup_pressure_cpu", "s", Counter),
    Meter::detail("cgroup_pressure_memory", "s", Counter),
    Meter::detail("cgroup_pressure_io", "s", Counter),
    Meter::detail("cgroup_tasks", "1", Peak),
];

/// Reads the cgroup of a footprint; a footprint without one yields nothing.
pub struct CgroupSampler {
    hierarchies: Hierarchies,
}

impl CgroupSampler {
    /// For the hierarchies of this machine.
    pub fn new() -> Result<Self, Unavailable> {
        match Hierarchies::discover() {
            Ok(hierarchies) => Ok(Self::with(hierarchies)),
            Err(error) => Err(Unavailable::new(
                format!("cannot {}", with_sources(&error)),
                "mount one: mount -t cgroup2 none /sys/fs/cgroup",
            )),
        }
    }

    /// For these hierarchies.
    pub fn with(hierarchies: Hierarchies) -> Self {
        Self { hierarchies }
    }
}

impl Sampler for CgroupSampler {
    fn read(
        &mut self,
        footprint: &Footprint,
        at: Timestamp,
        out: &mut Vec<Reading>,
    ) -> Result<(), SamplerError> {
        let Some(path) = &footprint.cgroup else {
            return Ok(());
        };
        let group = self.hierarchies.open(path);
        let values = values(&group.stats());
        if values.iter().all(Option::is_none) {
            let cause = if group.exists() { "none of its files can be read" } else { "it does not exist" };
            return Err(SamplerError { subject: format!("cgroup {path}"), source: cause.into() });
        }
        let read = METERS.iter().zip(values).filter_map(|(meter, value)| {
            Some(Reading { at, metric: meter.def.name.clone(), role: None, value: value? })
        });
        out.extend(read);
        Ok(())
    }
}

/// Values in the order and units of [`METERS`].
fn values(stats: &CgroupStats) -> [Option<f64>; 15] {
    let ns = |value: Option<u64>| value.map(|ns| ns as f64 / 1e9);
    let us = |value: Option<u64>| value.map(|us| us as f64 / 1e6);
    let plain = |value: Option<u64>| value.map(|value| value as f64);
    [
        ns(stats.cpu_total_ns),
        ns(stats.cpu_user_ns),
        ns(stats.cpu_system_ns),
        plain(stats.throttled_periods),
        ns(stats.throttled_ns),
        plain(stats.memory_current),
        plain(stats.memory_peak),
        plain(stats.memory_rss),
        plain(stats.memory_file),
        plain(stats.io_read_bytes),
        plain(stats.io_write_bytes),
        us(stats.pressure_cpu_us),
        us(stats.pressure_memory_us),
        us(stats.pressure_io_us),
        plain(stats.pids_current),
    ]
}
