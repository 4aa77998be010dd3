//! Metrics and their values.

use crate::Role;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A named quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricDef {
    /// Name, unique in its workload or sampler.
    pub name: Cow<'static, str>,
    /// Unit, such as `1/s`, `s`, `B/s`.
    pub unit: Cow<'static, str>,
    /// Which way is better.
    pub better: Better,
    /// Whether tables meant for people show it; machine-readable output always does.
    pub headline: bool,
}

impl MetricDef {
    /// A metric that tables show.
    pub const fn headline(name: &'static str, unit: &'static str, better: Better) -> Self {
        Self { name: Cow::Borrowed(name), unit: Cow::Borrowed(unit), better, headline: true }
    }

    /// A metric for machine-readable output only.
    pub const fn detail(name: &'static str, unit: &'static str, better: Better) -> Self {
        Self { name: Cow::Borrowed(name), unit: Cow::Borrowed(unit), better, headline: false }
    }
}

/// Direction of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better: throughput.
    Higher,
    /// Less is better: latency, CPU time, memory.
    Lower,
}

/// Who measured a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasuredBy {
    /// The workload, about its own work.
    Workload,
    /// A sampler, about what the work took.
    Sampler,
    /// The runner, about the phases of an instance's life.
    Runner,
}

impl MeasuredBy {
    /// Every one.
    pub const ALL: [MeasuredBy; 3] = [MeasuredBy::Workload, MeasuredBy::Sampler, MeasuredBy::Runner];

    /// The word for it in every output.
    pub fn word(self) -> &'static str {
        match self {
            MeasuredBy::Workload => "workload",
            MeasuredBy::Sampler => "sampler",
            MeasuredBy::Runner => "runner",
        }
    }
}

/// One value of one metric for a whole trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What was measured.
    pub metric: MetricDef,
    /// Who measured it.
    pub source: MeasuredBy,
    /// Whose share, where a sampler splits by role; `None`: the workload's own figure, or all roles together.
    pub role: Option<Role>,
    /// The value, in the metric's unit.
    pub value: f64,
}

impl Sample {
    /// A workload's figure.
    pub fn of_workload(metric: MetricDef, value: f64) -> Self {
        Self { metric, source: MeasuredBy::Workload, role: None, value }
    }

    /// What a sampler counted; `role` is whose share it is.
    pub fn of_sampler(metric: MetricDef, role: Option<Role>, value: f64) -> Self {
        Self { metric, source: MeasuredBy::Sampler, role, value }
    }
}
