//! The interface to a workload: what runs inside an instance, and how its result is read and verified.

use crate::{Image, MetricDef, Sample, Scenario, SettingDef, Settings, Streams};
use isotare_protocol::{Job, JobResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Whether an instance already has the program at this absolute path.
pub type Present<'a> = &'a dyn Fn(&Path) -> bool;

/// A workload. Decoding depends only on what the instance sent back.
pub trait Workload: Send + Sync {
    /// Name in workload specs.
    fn name(&self) -> &str;
    /// One line for help pages.
    fn summary(&self) -> &str;
    /// The settings it understands.
    fn settings(&self) -> &[SettingDef];
    /// The metrics it can report, the most important first.
    fn metrics(&self) -> Vec<MetricDef>;
    /// Files that an instance must contain for it. The error says which program is missing and how to get it.
    /// `present` says which programs the instance has already.
    fn image(&self, settings: &Settings, present: Present<'_>) -> Result<Image, String>;
    /// The files whose content decides what its job runs, the program first. The list is empty for workloads
    /// that are compiled into the agent, and if the program is not on the host.
    fn programs(&self, _settings: &Settings) -> Vec<PathBuf> {
        Vec::new()
    }
    /// What is needed to interpret its figures.
    fn info(&self, settings: &Settings) -> WorkloadInfo;
    /// The job that the agent has to run.
    fn job(&self, settings: &Settings) -> Result<Job, String>;
    /// The maximum number of bytes of standard output that `decode` reads. If a job writes more, its trial is
    /// invalid. 0: `decode` does not read it, and the job may write any amount.
    fn output_needed(&self) -> usize {
        0
    }
    /// Reads the result and verifies that the work was done.
    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid>;
    /// Its trials, if they have several instances. By default a trial is one instance that runs `job`.
    fn scenario(&self) -> Option<&dyn Scenario> {
        None
    }
    /// Like `decode`, but refuses an output of which `decode` would not see everything that it needs.
    fn verified(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let (needed, written) = (self.output_needed(), output.streams.stdout.bytes);
        if needed > 0 && written > needed as u64 {
            return Err(Invalid(format!(
                "it wrote {written} bytes to standard output, but the decoder of {} reads at most {needed}",
                self.name()
            )));
        }
        self.decode(output, settings)
    }
}

/// A workload of a registry can be used wherever a workload is needed.
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
    fn scenario(&self) -> Option<&dyn Scenario> {
        (**self).scenario()
    }
}

/// What is needed to interpret a workload's figures. A session keeps it, so that a report can be made without
/// the workload. The default is used for unknown workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkloadInfo {
    /// What its figures may depend on, besides CPUs and memory.
    pub depends_on: BTreeSet<Dependence>,
    /// Threads that do its work. The times of its events add up to at most this number times the elapsed
    /// time. `None`: unknown, or its events also wait in a queue.
    pub threads: Option<u32>,
    /// Whether the same work writes the same output. If so, an output that differs from the baseline's shows
    /// that different work was done.
    pub repeats_output: bool,
    /// Why the list of files that it needs may be incomplete, such as "sh is a shell"; `None`: the list is
    /// complete.
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

/// The result that an instance sent.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOutput {
    /// The agent's result.
    pub result: JobResult,
    /// The output of the job.
    pub streams: Streams,
}

/// The work was not done, or cannot be shown to have been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);
