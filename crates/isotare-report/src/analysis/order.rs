//! Figures of one trial that contradict each other, such as a mean above the maximum, or more time in events
//! than the trial took.

use super::design::{Design, Place};
use isotare_core::Trial;
use std::collections::BTreeMap;

/// Names of order statistics, from low to high.
const RISING: [(&str, &[&str]); 9] = [
    ("minimum", &["min", "minimum"]),
    ("median", &["p50", "median"]),
    ("p90", &["p90"]),
    ("p95", &["p95"]),
    ("p99", &["p99"]),
    ("p99.9", &["p999", "p99.9"]),
    ("p99.99", &["p9999", "p99.99"]),
    ("maximum", &["max", "maximum"]),
    ("mean", &["mean", "avg", "average"]),
];
const MEAN: usize = 8;
/// Histograms keep two to three digits.
const SLACK: f64 = 1.02;
/// A worker can begin before the measured part and end after it.
const TIME_SLACK: f64 = 1.05;

/// The most frequent contradiction in the trials of one environment under one workload, as a sentence.
/// `threads` is the number of threads that work at a time; `None`: unknown.
pub(super) fn contradictions(design: &Design<'_>, here: Place, threads: Option<f64>) -> Option<String> {
    let trials: Vec<&Trial> =
        design.completed().filter(|(place, _)| *place == here).map(|(_, trial)| trial).collect();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for trial in &trials {
        for sentence in of_trial(trial, threads) {
            *found.entry(sentence).or_default() += 1;
        }
    }
    let (sentence, count) = found.iter().max_by_key(|(_, count)| **count)?;
    Some(format!(
        "impossible figures: {sentence} (in {count} of {} trials); either the tool that printed them is \
         wrong, or the program that read its output",
        trials.len()
    ))
}

fn of_trial(trial: &Trial, threads: Option<f64>) -> Vec<String> {
    let values: BTreeMap<&str, f64> = trial
        .samples
        .iter()
        .filter(|sample| sample.role.is_none() && sample.value.is_finite())
        .map(|sample| (sample.metric.name.as_ref(), sample.value))
        .collect();
    let mut families: BTreeMap<String, BTreeMap<usize, (&str, f64)>> = BTreeMap::new();
    for (name, value) in &values {
        if let Some((stem, rank)) = statistic(name) {
            families.entry(stem).or_default().insert(rank, (name, *value));
        }
    }
    let mut found = Vec::new();
    for family in families.values() {
        let ordered: Vec<(usize, (&str, f64))> =
            family.iter().filter(|(rank, _)| **rank != MEAN).map(|(rank, value)| (*rank, *value)).collect();
        let mut pairs: Vec<_> = ordered.windows(2).map(|pair| (pair[0], pair[1])).collect();
        if let Some(mean) = family.get(&MEAN).map(|mean| (MEAN, *mean)) {
            let end = |rank: usize| ordered.iter().copied().find(|(at, _)| *at == rank);
            pairs.extend(end(0).map(|low| (low, mean)));
            pairs.extend(end(MEAN - 1).map(|high| (mean, high)));
        }
        for ((low, (low_name, below)), (high, (high_name, above))) in pairs {
            if below > above + (SLACK - 1.0) * above.abs() {
                found.push(format!("{} {low_name} is above {} {high_name}", RISING[low].0, RISING[high].0));
            }
        }
    }
    let times = (values.get("events_per_second"), values.get("latency_mean"), threads);
    if let (Some(rate), Some(mean), Some(threads)) = times {
        let busy = rate * mean;
        if busy > threads * TIME_SLACK {
            found.push(format!(
                "events per second times mean latency is more time than {threads} threads have"
            ));
        }
    }
    found
}

/// `latency_p99` is a statistic of `latency`.
fn statistic(name: &str) -> Option<(String, usize)> {
    let name = name.to_ascii_lowercase();
    let (stem, word) = name.rsplit_once(['_', '-', ' ', '/']).unwrap_or(("", &name));
    let rank = RISING.iter().position(|(_, words)| words.contains(&word))?;
    Some((stem.to_owned(), rank))
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{Better, MetricDef, Outcome, Sample, Slot};

    fn said(values: &[(&'static str, f64)], threads: Option<f64>) -> Vec<String> {
        let mut trial = Trial::new(0, Slot { block: 0, condition: 0 }, 0, Outcome::Completed);
        trial.samples = values
            .iter()
            .map(|(name, value)| Sample::of_workload(MetricDef::detail(name, "s", Better::Lower), *value))
            .collect();
        of_trial(&trial, threads)
    }

    #[test]
    fn a_possible_order_of_values_causes_no_warning() {
        let values = [
            ("latency_min", 1.0),
            ("latency_mean", 9.0),
            ("latency_p50", 2.0),
            ("latency_p99", 8.0),
            ("latency_max", 100.0),
            ("events_per_second", 0.11),
        ];
        assert_eq!(said(&values, Some(1.0)), Vec::<String>::new());
    }

    #[test]
    fn an_impossible_order_of_values_causes_a_warning() {
        for (values, words) in [
            (&[("latency_mean", 3.0), ("latency_max", 2.0)][..], "mean latency_mean is above maximum"),
            (&[("x-min", 3.0), ("x-avg", 2.0)], "minimum x-min is above mean"),
            (
                &[("latency_p50", 3.0), ("latency_p99", 2.0), ("latency_max", 4.0)],
                "median latency_p50 is above p99",
            ),
            (&[("events_per_second", 100.0), ("latency_mean", 0.05)], "more time than 2 threads have"),
        ] {
            let found = said(values, Some(2.0));
            assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
        }
        assert_eq!(said(&[("events_per_second", 100.0), ("latency_mean", 0.05)], None), Vec::<String>::new());
    }
}
