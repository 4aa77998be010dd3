//! The port to a workload: what runs inside an instance, and how its result is read and verified.

use crate::{Image, MetricDef, Sample, SettingDef, Settings, Streams};
use isotare_protocol::{Job, JobResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Whether an instance has the program of this absolute path by itself.
pub type Present<'a> = &'a dyn Fn(&Path) -> bool;

/// A workload. Decoding is a pure function of what the instance sent back.
pub trait Workload: Send + Sync {
    /// Name in workload specs.
    fn name(&self) -> &str;
    /// One line for help pages.
    fn summary(&self) -> &str;
    /// The settings it understands.
    fn settings(&self) -> &[SettingDef];
    /// The metrics it can report, most telling first.
    fn metrics(&self) -> Vec<MetricDef>;
    /// Files that an instance must hold for it; the error says which program is missing and how to get it. `present` tells
    /// which programs the instance has without being given them.
    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String>;
    /// The files whose bits decide what its job runs, the program first; none for what is compiled into the agent, or
    /// where the program is not on the host.
    fn programs(&self, _settings: &Settings) -> Vec<PathBuf> {
        Vec::new()
    }
    /// What a reader of its figures has to know of it.
    fn info(&self, settings: &Settings) -> WorkloadInfo;
    /// What the agent is to run.
    fn job(&self, settings: &Settings) -> Result<Job, String>;
    /// The most bytes of standard output that `decode` reads; where a job writes more, its trial is invalid. 0: `decode`
    /// needs none of it, and any amount may be written.
    fn output_needed(&self) -> usize {
        0
    }
    /// Reads the result and verifies that the work was really done.
    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid>;
}

/// A workload of a registry is one wherever a workload is asked for.
impl<W: Workload + ?Sized> Workload for &W {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn summary(&self) -> &str {
        (**self).summary()
    }
    fn settings(&self) -> &[SettingDef] {
        (**self).settings()
    }
    fn metrics(&self) -> Vec<MetricDef> {
        (**self).metrics()
    }
    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String> {
        (**self).image(settings, present)
    }
    fn programs(&self, settings: &Settings) -> Vec<PathBuf> {
        (**self).programs(settings)
    }
    fn info(&self, settings: &Settings) -> WorkloadInfo {
        (**self).info(settings)
    }
    fn job(&self, settings: &Settings) -> Result<Job, String> {
        (**self).job(settings)
    }
    fn output_needed(&self) -> usize {
        (**self).output_needed()
    }
    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        (**self).decode(output, settings)
    }
}

/// What a reader of a workload's figures has to know of it. A session keeps it, so that a report can be made without the
/// workload. The default is that of a workload that nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkloadInfo {
    /// What its figures may depend on beside CPUs and memory.
    pub depends_on: BTreeSet<Dependence>,
    /// Threads that do its work. The times of its events add up to at most so many times the elapsed time. `None`: unknown,
    /// or its events wait in a queue beside them.
    pub threads: Option<u32>,
    /// Whether the same work writes the same output. Then other output than the baseline's shows other work.
    pub repeats_output: bool,
    /// Why nobody can know all the files that it needs, such as "sh is a shell"; `None`: they are known.
    pub needs_more: Option<String>,
}

/// What a workload's figures may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// The file system of the data folder.
    Files,
    /// The loopback link.
    Loopback,
    /// Programs and libraries that are not part of the agent.
    Programs,
}

/// What came back from an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOutput {
    /// The agent's result.
    pub result: JobResult,
    /// What the job wrote.
    pub streams: Streams,
}

/// The work was not done, or cannot be shown to have been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);
