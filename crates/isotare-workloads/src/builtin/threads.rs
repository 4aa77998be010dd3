//! `threads`: the scheduler under contention, as in sysbench.

use super::report::{self, EVENTS_PER_SECOND};
use super::schedule::{self, EVENTS, INTERVAL, THREADS, TIME, WARMUP};
use isotare_core::{
    Better, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Present, Sample, SettingDef, Settings,
    Workload, WorkloadInfo,
};
use isotare_protocol::{Job, Kind};

/// Mutexes, futexes and yields.
pub struct Threads;

const fn number(key: &'static str, default: &'static str, help: &'static str) -> SettingDef {
    let kind = SettingKind::Integer { min: 1, max: 1 << 24 };
    SettingDef { key, kind, default: Some(default), help }
}

const SETTINGS: &[SettingDef] = &[
    number("yields", "100", "yields in one event"),
    number("locks", "8", "mutexes that the threads share"),
    THREADS,
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

impl Workload for Threads {
    fn name(&self) -> &str {
        "threads"
    }

    fn summary(&self) -> &str {
        "threads lock a mutex, yield and unlock it, like sysbench threads"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        report::metrics(&[MetricDef::headline(EVENTS_PER_SECOND, "1/s", Better::Higher)])
    }

    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        schedule::info(settings, [])
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        let kind = Kind::Threads {
            yields: schedule::narrow(settings, "yields")?,
            locks: schedule::narrow(settings, "locks")?,
        };
        schedule::job(kind, settings)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let job = self.job(settings).map_err(Invalid)?;
        Ok(report::check(output, &job, self.metrics())?.into_samples())
    }
}
