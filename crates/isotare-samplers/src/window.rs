//! Turns the readings of a window into one value per metric and role.

use crate::{Meter, MeterKind};
use isotare_core::{MetricDef, Reading, Role, Sample, Timestamp};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// One sample per metric and role, and for metrics split by role also one without a role: all roles together.
/// A metric of parts (see `part`) has samples for each of them.
///
/// A counter needs two readings at different moments, and is left out if it fell (then it is not the same
/// counter any more). The sum over roles uses only moments at which every role of the window was read, and is
/// left out if a role has no reading at all, because the sum would be only a part of the whole.
pub fn summarise(readings: &[Reading], meters: &[Meter]) -> Vec<Sample> {
    let roles: BTreeSet<Role> = readings.iter().filter_map(|reading| reading.role).collect();
    let mut samples = Vec::new();
    for meter in meters {
        let mut metrics: BTreeMap<&Cow<'static, str>, Series> = BTreeMap::new();
        for reading in readings.iter().filter(|reading| meter.is_of(&reading.metric)) {
            let series = metrics.entry(&reading.metric).or_default();
            series.entry(reading.role).or_default().insert(reading.at, reading.value);
        }
        for (name, mut series) in metrics {
            if !series.contains_key(&None) {
                series.insert(None, together(&series, &roles));
            }
            let metric = MetricDef { name: name.clone(), ..meter.def.clone() };
            let values = series.into_iter().filter_map(|(role, values)| {
                let value = condense(&values, meter.kind)?;
                Some(Sample::of_sampler(metric.clone(), role, value))
            });
            samples.extend(values);
        }
    }
    samples
}

/// The readings of one metric, by role.
type Series = BTreeMap<Option<Role>, BTreeMap<Timestamp, f64>>;

/// The name of a metric's part: of a device, an interface, a thread, a kind. `disk_read[vda]` is what was
/// read from `vda`.
pub(crate) fn part(metric: &str, part: &str) -> Cow<'static, str> {
    Cow::Owned(format!("{metric}[{part}]"))
}
/// The sum over `roles` at each moment at which every one of them was read.
fn together(series: &Series, roles: &BTreeSet<Role>) -> BTreeMap<Timestamp, f64> {
    let moments: BTreeSet<Timestamp> = series.values().flat_map(BTreeMap::keys).copied().collect();
    let sum = |at: &Timestamp| {
        roles.iter().map(|role| series.get(&Some(*role))?.get(at).copied()).sum::<Option<f64>>()
    };
    moments.iter().filter_map(|at| Some((*at, sum(at)?))).collect()
}

fn condense(values: &BTreeMap<Timestamp, f64>, kind: MeterKind) -> Option<f64> {
    let last = values.last_key_value();
    match kind {
        MeterKind::Counter => {
            let ((from, first), (to, last)) = (values.first_key_value()?, last?);
            (from < to && last >= first).then(|| last - first)
        }
        MeterKind::Peak => values.values().copied().reduce(f64::max),
        MeterKind::Last => last.map(|(_, value)| *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METERS: &[Meter] = &[
        Meter::detail("cpu", "s", MeterKind::Counter),
        Meter::detail("rss", "B", MeterKind::Peak),
        Meter::detail("peak", "B", MeterKind::Last),
    ];

    fn reading(at: u64, metric: &str, role: Option<Role>, value: f64) -> Reading {
        Reading { at: Timestamp(at), metric: metric.to_owned().into(), role, value }
    }

    fn check(readings: &[(u64, &str, Option<Role>, f64)], expect: &[(&str, Option<Role>, f64)]) {
        let readings: Vec<_> = readings.iter().map(|r| reading(r.0, r.1, r.2, r.3)).collect();
        let samples = summarise(&readings, METERS);
        let found: Vec<_> = samples.iter().map(|s| (s.metric.name.as_ref(), s.role, s.value)).collect();
        assert_eq!(found, expect);
    }

    const W: Option<Role> = Some(Role::Workload);
    const V: Option<Role> = Some(Role::Vmm);

    #[test]
    fn counters_become_differences_and_gauges_one_value() {
        check(
            &[
                (1, "cpu", None, 5.0),
                (2, "rss", None, 9.0),
                (3, "rss", None, 7.0),
                (3, "peak", None, 1.0),
                (2, "peak", None, 2.0),
                (3, "cpu", None, 5.5),
                (3, "unknown", None, 1.0),
            ],
            &[("cpu", None, 0.5), ("rss", None, 9.0), ("peak", None, 1.0)],
        );
    }

    #[test]
    fn a_counter_with_one_reading_or_a_falling_value_is_left_out() {
        check(&[(1, "cpu", None, 5.0)], &[]);
        check(&[(1, "cpu", None, 5.0), (2, "cpu", None, 4.0)], &[]);
    }

    #[test]
    fn roles_are_summed_for_each_moment() {
        check(
            &[
                (1, "rss", W, 1.0),
                (1, "rss", V, 10.0),
                (2, "rss", W, 5.0),
                (2, "rss", V, 4.0),
                (3, "rss", W, 100.0),
            ],
            &[("rss", None, 11.0), ("rss", W, 100.0), ("rss", V, 10.0)],
        );
    }

    #[test]
    fn parts_of_a_metric_are_treated_like_the_metric() {
        let a = part("rss", "a b");
        check(
            &[(1, &a, V, 3.0), (2, &a, V, 2.0), (2, "rss", None, 9.0), (2, "rss_other[a]", None, 1.0)],
            &[("rss", None, 9.0), ("rss[a b]", None, 3.0), ("rss[a b]", V, 3.0)],
        );
    }

    #[test]
    fn a_total_is_left_out_if_a_part_is_missing() {
        check(
            &[(1, "cpu", W, 1.0), (2, "cpu", W, 2.0), (1, "rss", W, 1.0), (1, "rss", V, 1.0)],
            &[("cpu", W, 1.0), ("rss", None, 2.0), ("rss", W, 1.0), ("rss", V, 1.0)],
        );
    }

    proptest! {
        #[test]
        fn counters_are_never_negative(
            raw in prop::collection::vec((0u64..20, 0usize..3, prop::option::of(0usize..2), -1e9f64..1e9), 0..60),
        ) {
            let readings: Vec<_> = raw
                .into_iter()
                .map(|(at, metric, role, value)| {
                    reading(at, ["cpu", "rss", "peak"][metric], role.map(|role| [Role::Workload, Role::Vmm][role]), value)
                })
                .collect();
            for sample in summarise(&readings, METERS) {
                prop_assert!(sample.metric.name != "cpu" || sample.value >= 0.0);
                let known = readings.iter().any(|r| r.metric == sample.metric.name);
                prop_assert!(known && sample.value.is_finite());
            }
        }
    }
}
