//! `mutex`: short critical sections, as in sysbench, but with repeated events.

use super::report::{self, EVENTS_PER_SECOND};
use super::schedule::{self, EVENTS, INTERVAL, THREADS, TIME, WARMUP};
use isotare_core::{
    Better, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Present, Sample, SettingDef, Settings,
    Workload, WorkloadInfo,
};
use isotare_protocol::{Job, Kind};

/// Many mutexes, little contention.
pub struct Mutex;

const fn number(key: &'static str, default: &'static str, help: &'static str) -> SettingDef {
    let kind = SettingKind::Integer { min: 1, max: 1 << 24 };
    SettingDef { key, kind, default: Some(default), help }
}

const SETTINGS: &[SettingDef] = &[
    number("mutexes", "4096", "number of mutexes"),
    number("locks", "100", "locks taken in one event"),
    number("loops", "1000", "iterations of an empty loop before each lock"),
    THREADS,
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

impl Workload for Mutex {
    fn name(&self) -> &str {
        "mutex"
    }

    fn summary(&self) -> &str {
        "locks random mutexes of an array, like sysbench mutex, with repeated events"
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
        let kind = Kind::Mutex {
            mutexes: schedule::narrow(settings, "mutexes")?,
            locks: schedule::narrow(settings, "locks")?,
            loops: schedule::narrow(settings, "loops")?,
        };
        schedule::job(kind, settings)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let job = self.job(settings).map_err(Invalid)?;
        Ok(report::check(output, &job, self.metrics())?.into_samples())
    }
}
