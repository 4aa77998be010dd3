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
    /// Whether higher or lower values are better.
    pub better: Better,
    /// Whether the tables for people show it. Machine-readable output always contains it.
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

/// Which part of Isotare measured a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasuredBy {
    /// The workload, about its own work.
    Workload,
    /// A sampler, about the resources that the work took.
    Sampler,
    /// The runner, about the phases of an instance's life.
    Runner,
}

impl MeasuredBy {
    /// All of them.
    pub const ALL: [MeasuredBy; 3] = [MeasuredBy::Workload, MeasuredBy::Sampler, MeasuredBy::Runner];

    /// The word that every output uses for it.
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
    /// The role that it belongs to, if a sampler splits it by role. `None`: the workload's own figure, or all
    /// roles together.
    pub role: Option<Role>,
    /// The value, in the metric's unit.
    pub value: f64,
}

impl Sample {
    /// A workload's figure.
    pub fn of_workload(metric: MetricDef, value: f64) -> Self {
        Self { metric, source: MeasuredBy::Workload, role: None, value }
    }

    /// A value that a sampler counted for `role`.
    pub fn of_sampler(metric: MetricDef, role: Option<Role>, value: f64) -> Self {
        Self { metric, source: MeasuredBy::Sampler, role, value }
    }
}
