//! Every sampler, in the order shown to users, and how a window's samplers are opened together.

use crate::{CgroupSampler, HostSampler, Meter, PerfSampler, ProcessSampler};
use isotare_core::{CpuSet, Sampler, Unavailable};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes a sampler.
pub type Open = fn(&CpuSet, &Closing) -> Result<Box<dyn Sampler>, Unavailable>;

/// One sampler there is.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it can report.
    pub meters: &'static [Meter],
    /// Makes one for one window, given the measured CPUs; an error says why it cannot work here.
    pub open: Open,
}

/// Every sampler.
pub static SAMPLERS: &[Entry] = &[
    // CPU, memory, faults, switches and I/O of the instance's process trees, by role.
    Entry {
        name: "process",
        meters: crate::process::METERS,
        open: |_, closing| Ok(Box::new(ProcessSampler::new(Path::new("/"), closing.clone())?)),
    },
    // CPU, memory, I/O and pressure of the instance's cgroup.
    Entry { name: "cgroup", meters: crate::cgroup::METERS, open: |_, _| Ok(Box::new(CgroupSampler::new()?)) },
    // CPU and steal time, pressure, run delay and major faults of the whole host.
    Entry {
        name: "host",
        meters: crate::host::METERS,
        open: |_, closing| Ok(Box::new(HostSampler::new(Path::new("/"), closing.clone())?)),
    },
    // Cycles, instructions, cache and TLB misses of the measured CPUs.
    Entry {
        name: "perf",
        meters: crate::perf::METERS,
        open: |cpus, closing| Ok(Box::new(PerfSampler::new(cpus, closing.clone())?)),
    },
];

/// The sampler of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    SAMPLERS.iter().find(|entry| entry.name == name)
}

/// What all samplers can report.
pub fn meters() -> Vec<Meter> {
    SAMPLERS.iter().flat_map(|entry| entry.meters).cloned().collect()
}

/// A flag that is set before the last reading of a window. Readings that would disturb the window wait for
/// it.
#[derive(Clone, Debug, Default)]
pub struct Closing(Arc<AtomicBool>);

impl Closing {
    /// The next reading is the last.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the next reading is the last.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The samplers of one window.
#[derive(Default)]
pub struct Samplers {
    /// Each.
    pub list: Vec<Box<dyn Sampler>>,
    /// The flag that the window ends.
    pub closing: Closing,
}

impl Samplers {
    /// Opens samplers by name; the first that is unknown or cannot work here is the error.
    pub fn open(names: &[&str], measured: &CpuSet) -> Result<Self, Unavailable> {
        let closing = Closing::default();
        let open = |name: &&str| match find(name) {
            Some(entry) => (entry.open)(measured, &closing),
            None => {
                let known: Vec<_> = SAMPLERS.iter().map(|entry| entry.name).collect();
                Err(Unavailable::new(
                    format!("the sampler '{name}' is not known"),
                    format!("choose from {}", known.join(", ")),
                ))
            }
        };
        let list = names.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { list, closing })
    }

    /// Opens each sampler that works here.
    pub fn all_that_work(measured: &CpuSet) -> Self {
        let closing = Closing::default();
        let list = SAMPLERS.iter().filter_map(|entry| (entry.open)(measured, &closing).ok()).collect();
        Self { list, closing }
    }
}

impl From<Vec<Box<dyn Sampler>>> for Samplers {
    fn from(list: Vec<Box<dyn Sampler>>) -> Self {
        Self { list, closing: Closing::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_over_all_samplers() {
        let meters = meters();
        let names: BTreeSet<_> = meters.iter().map(|meter| &meter.def.name).collect();
        assert_eq!(names.len(), meters.len());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Samplers::open(&["procs"], &CpuSet::new([0]).expect("not empty"))
            .err()
            .expect("unknown")
            .to_string();
        assert_eq!(error, "the sampler 'procs' is not known; choose from process, cgroup, host, perf");
    }
}
