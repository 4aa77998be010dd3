//! Checks of numbers that apply to all tools that measure times, rates and counts, in any format.

use crate::{Decoded, Run, Status};
use std::collections::BTreeSet;

/// Removes the numbers of runs in which a metric occurs twice or is negative. Such numbers may come from a
/// damaged text.
pub(super) fn sound(decoded: Decoded) -> Decoded {
    let runs = decoded.runs.into_iter().map(|run| match fault(&run) {
        Some(why) => Run { labels: run.labels, ..Run::unreadable(run.line, why) },
        None => run,
    });
    Decoded { runs: runs.collect(), ..decoded }
}

fn fault(run: &Run) -> Option<String> {
    if run.status != Status::Complete {
        return None;
    }
    let mut seen = BTreeSet::new();
    run.metrics.iter().find_map(|metric| match (seen.insert(metric.name.as_ref()), metric.value < 0.0) {
        (false, _) => Some(format!("{} occurs twice", metric.name)),
        (true, true) => Some(format!("{} is negative: {}", metric.name, metric.value)),
        (true, false) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metric;

    #[test]
    fn runs_with_doubled_or_negative_metrics_have_no_numbers() {
        let of = |values: &[(&'static str, f64)]| {
            let metrics = values.iter().map(|(name, value)| Metric::lower(*name, "s", *value)).collect();
            let decoded =
                Decoded { runs: vec![Run::complete(1, metrics).with("a", "b")], ..Decoded::default() };
            sound(decoded).runs.into_iter().map(|run| (run.status, run.labels.len())).collect::<Vec<_>>()
        };
        assert_eq!(of(&[("a", 1.0), ("b", 0.0)]), [(Status::Complete, 1)]);
        assert_eq!(of(&[("a", 1.0), ("a", 1.0)]), [(Status::Unreadable, 1)]);
        assert_eq!(of(&[("a", -1.0)]), [(Status::Unreadable, 1)]);
    }
}
