//! Metrics that know how their readings become one value.

use isotare_core::{Better, MetricDef};

/// A metric of a sampler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Name and unit.
    pub def: MetricDef,
    /// What its readings are.
    pub kind: MeterKind,
}

/// What the readings of a metric are, and so what counts of them for a whole window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterKind {
    /// Only ever grows: the difference between the last and the first.
    Counter,
    /// Goes up and down: the largest.
    Peak,
    /// Says by itself what counts: the last.
    Last,
}

impl Meter {
    pub(crate) const fn headline(name: &'static str, unit: &'static str, kind: MeterKind) -> Self {
        Self { def: MetricDef::headline(name, unit, Better::Lower), kind }
    }

    pub(crate) const fn detail(name: &'static str, unit: &'static str, kind: MeterKind) -> Self {
        Self { def: MetricDef::detail(name, unit, Better::Lower), kind }
    }

    /// Whether this is the metric of that name, or the one of which it is a part.
    pub fn is_of(&self, metric: &str) -> bool {
        family(metric) == self.def.name
    }
}

/// The metric of which this is a part, or itself: `disk_read` of `disk_read[vda]`.
fn family(metric: &str) -> &str {
    metric.split_once('[').map_or(metric, |(family, _)| family)
}
