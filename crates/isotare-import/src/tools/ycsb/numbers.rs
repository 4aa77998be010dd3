//! The numbers of one run of YCSB, and checks whether the run is complete.

use super::{Entry, OVERALL, RUNTIME};
use crate::Metric;
use crate::tools::report::{Fault, agree, ascend, count, mixed, percentile, time};
use std::collections::{BTreeMap, BTreeSet};

const THROUGHPUT: &str = "Throughput(ops/sec)";
/// An operation that is also counted as a read and as an update.
const READ_MODIFY_WRITE: &str = "READ-MODIFY-WRITE";
const CLEANUP: &str = "CLEANUP";
/// Entries that are not of the workload: closing connections, and what `measurement.trackjvm` measures.
const BESIDE: &[&str] = &[CLEANUP, "THREAD_COUNT", "USED_MEM_MB", "SYS_LOAD_AVG", "GCS", "GCS_TIME"];

const INTENDED: &str = "Intended-";

type Values<'a> = BTreeMap<&'a str, Option<f64>>;

/// The metrics of a run.
pub fn metrics(entries: &[Entry]) -> Result<Vec<Metric>, Fault> {
    let (operations, order) = by_operation(entries)?;
    let overall = |name: &str| operations.get(OVERALL).and_then(|values| values.get(name).copied());
    let (Some(runtime), Some(throughput)) = (overall(RUNTIME), overall(THROUGHPUT)) else {
        return Err(Fault::incomplete("the run's time and throughput ('[OVERALL]') are missing"));
    };
    // Without any operation, the throughput is not a number.
    let (Some(runtime), Some(throughput)) = (runtime, throughput) else {
        return Err(Fault::unreadable("no operation was completed"));
    };
    let seconds = runtime / 1000.0;
    let done = throughput * seconds;
    if done < 0.5 {
        return Err(Fault::unreadable("no operation was completed"));
    }
    // If latencies are measured in both ways, those from the planned time of an operation follow those from
    // its actual beginning. They are left out, because nothing shows whether they were cut off.
    let twice = |name: &str| name.strip_prefix(INTENDED).is_some_and(|plain| operations.contains_key(plain));
    let counted = order.into_iter().filter(|name| is_operation(name) && !twice(name));
    let counts: Vec<(&str, Counts)> =
        counted.filter_map(|name| Some((name, Counts::of(name, operations.get(name)?)))).collect();
    closed(&operations)?;
    all_there(done, &counts)?;
    whole(&counts, &operations)?;
    let mut metrics = vec![
        Metric::higher("operations_per_second", "1/s", throughput),
        Metric::lower("total_time", "s", seconds),
    ];
    for (name, counts) in &counts {
        if let Some(values) = operations.get(name).filter(|_| !name.ends_with("-FAILED")) {
            metrics.extend(latencies(name, values)?);
            metrics
                .extend(count(format!("{name}_failed"), Some(counts.failed).filter(|&failed| failed > 0.0)));
        }
    }
    // If all operations of a kind failed, this is the only entry.
    for (name, counts) in counts.iter().filter(|(name, _)| name.ends_with("-FAILED")) {
        let name = name.trim_end_matches("-FAILED");
        let known = operations.get(name).is_some_and(|values| Counts::of(name, values).failed > 0.0);
        if !known {
            metrics.extend(count(format!("{name}_failed"), Some(counts.failed)));
        }
    }
    Ok(metrics)
}

fn is_operation(name: &str) -> bool {
    let plain = name.trim_start_matches(INTENDED).trim_end_matches("-FAILED");
    let beside = name == OVERALL || BESIDE.contains(&plain);
    let of_jvm = ["TOTAL_GC", "MAX_", "MIN_"].iter().any(|begin| name.starts_with(begin));
    !beside && !of_jvm
}

/// The values of each operation, and the order of the operations. If a value occurs twice, the second one is
/// from another run.
fn by_operation(entries: &[Entry]) -> Result<(BTreeMap<&str, Values<'_>>, Vec<&str>), Fault> {
    let mut found: BTreeMap<&str, Values<'_>> = BTreeMap::new();
    let mut order = Vec::new();
    for Entry { line, operation, name, value } in entries {
        if !found.contains_key(operation.as_str()) {
            order.push(operation.as_str());
        }
        let values = found.entry(operation).or_default();
        if values.insert(name, *value).is_some() {
            return Err(mixed(format!("line {line}: '{operation}, {name}' occurs twice")));
        }
    }
    Ok((found, order))
}

/// The number of times that an operation was done.
struct Counts {
    /// The sum of its return codes; `None`: there are no return codes.
    returned: Option<f64>,
    /// The number of return codes that mean failure.
    failed: f64,
    operations: f64,
}

impl Counts {
    fn of(name: &str, values: &Values<'_>) -> Self {
        let codes =
            values.iter().filter_map(|(name, value)| Some((name.strip_prefix("Return=")?, (*value)?)));
        let (mut returned, mut failed) = (None, 0.0);
        for (code, times) in codes {
            *returned.get_or_insert(0.0) += times;
            // Before 0.5, the code of success was a number.
            if !["OK", "BATCHED_OK", "0"].contains(&code) {
                failed += times;
            }
        }
        let operations =
            ["Operations", "Total Operations"].iter().find_map(|name| values.get(name).copied().flatten());
        let operations = operations.unwrap_or(0.0);
        if name.ends_with("-FAILED") {
            failed = operations;
        }
        Self { returned, failed, operations }
    }
}

/// Fails if closing the connections was not measured. It is measured from 0.2 on. In a workload where each
/// update also counts as a read, the reads alone can add up to the number of operations, so this check is
/// needed.
fn closed(operations: &BTreeMap<&str, Values<'_>>) -> Result<(), Fault> {
    let is_old =
        operations.values().any(|values| values.keys().any(|name| name.ends_with("PercentileLatency(ms)")));
    match is_old || operations.keys().any(|name| name.trim_start_matches(INTENDED) == CLEANUP) {
        true => Ok(()),
        false => Err(Fault::incomplete("it is incomplete: '[CLEANUP]' is missing")),
    }
}

/// Fails if the operations do not add up to the number that follows from the throughput. An operation that is
/// tried again counts several times.
fn all_there(done: f64, counts: &[(&str, Counts)]) -> Result<(), Fault> {
    let returns = counts.iter().any(|(_, counts)| counts.returned.is_some());
    let (mut sum, mut failed) = (0.0, 0.0);
    for (name, counts) in counts {
        if name.trim_start_matches(INTENDED).trim_end_matches("-FAILED") == READ_MODIFY_WRITE {
            sum -= counts.operations;
        } else if returns {
            sum += counts.returned.unwrap_or(0.0);
        } else {
            sum += counts.operations;
        }
        failed += counts.failed;
    }
    let slack = 1.0 + done * 1e-6;
    let said = |sum: f64| {
        Fault::incomplete(format!(
            "the operations add up to {sum}, but {done:.0} were completed: it is incomplete, or mixed"
        ))
    };
    // Without return codes, some bindings measure more than the operations.
    match sum < done - slack || (returns && sum > done + failed + slack) {
        true => Err(said(sum)),
        false => Ok(()),
    }
}

/// Fails if the last operation is not complete. All operations are measured in the same way, so it must have
/// the same values as the others. If no return codes follow the latencies, it must have the last percentile
/// of the default.
fn whole(counts: &[(&str, Counts)], operations: &BTreeMap<&str, Values<'_>>) -> Result<(), Fault> {
    let names = |operation: &str| -> BTreeSet<String> {
        let names = operations.get(operation).into_iter().flat_map(|values| values.keys());
        names.filter_map(|name| Some(statistic(name)?.0)).collect()
    };
    let ends = || counts.iter().rev().map(|(name, _)| *name).filter(|name| !name.ends_with("-FAILED"));
    let returns = counts.iter().any(|(_, counts)| counts.returned.is_some());
    match (ends().next_back(), ends().next()) {
        (Some(first), Some(last))
            if names(last).is_superset(&names(first)) && (returns || names(last).contains("p99")) =>
        {
            Ok(())
        }
        (_, Some(last)) => Err(Fault::incomplete(format!("it ends in the middle of '{last}'"))),
        (_, None) => Ok(()),
    }
}

/// The metrics for the latencies of an operation.
fn latencies(operation: &str, values: &Values<'_>) -> Result<Vec<Metric>, Fault> {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for (name, value) in values {
        if let (Some((name, unit)), Some(value)) = (statistic(name), value) {
            found.insert(name, value * unit);
        }
    }
    let value = |name: &str| found.get(name).copied();
    let apart = value("max").zip(value("min")).is_some_and(|(max, min)| agree(max, min, 0.0, 0.0));
    // Percentiles are rounded up or down. The order is not checked if minimum and maximum are equal.
    if !apart && !ascend(&[value("min"), value("mean"), value("max")]) {
        return Err(mixed(format!(
            "the mean latency of '{operation}' is not between its minimum and its maximum"
        )));
    }
    Ok(found
        .into_iter()
        .filter_map(|(name, value)| time(format!("{operation}_latency_{name}"), Some(value)))
        .collect())
}

/// Isotare's name for a latency, and the factor that converts it to seconds. It is read from
/// `AverageLatency(us)`, `99thPercentileLatency(ms)`, and from `Average` and `p99`, which the `raw` type
/// prints in microseconds.
fn statistic(name: &str) -> Option<(String, f64)> {
    let (name, unit) = match name.split_once("Latency(") {
        Some((name, "us)")) => (name, 1e-6),
        Some((name, "ms)")) => (name, 1e-3),
        Some(_) => return None,
        None => (name, 1e-6),
    };
    let ours = match name {
        "Average" => "mean".to_owned(),
        "Min" => "min".to_owned(),
        "Max" => "max".to_owned(),
        name => match name.strip_suffix("Percentile") {
            Some(rank) => percentile(rank.trim_end_matches(char::is_alphabetic))?,
            None => percentile(name.strip_prefix('p')?)?,
        },
    };
    Some((ours, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str, f64)]) -> Result<Vec<(String, f64)>, Fault> {
        let common = [
            ("OVERALL", "RunTime(ms)", 1000.0),
            ("OVERALL", "Throughput(ops/sec)", 10.0),
            ("CLEANUP", "Operations", 1.0),
        ];
        let all: Vec<Entry> = common
            .iter()
            .chain(entries)
            .map(|(operation, name, value)| Entry {
                line: 1,
                operation: (*operation).to_owned(),
                name: (*name).to_owned(),
                value: Some(*value).filter(|value| value.is_finite()),
            })
            .collect();
        let found = metrics(&all)?;
        Ok(found.into_iter().skip(2).map(|metric| (metric.name.into_owned(), metric.value)).collect())
    }

    #[test]
    fn failures_are_counted_once() {
        let found = of(&[
            ("READ", "Operations", 8.0),
            ("READ", "AverageLatency(us)", 1e6),
            ("READ", "Return=OK", 8.0),
            ("READ", "Return=NOT_FOUND", 2.0),
            ("READ-FAILED", "Operations", 2.0),
            ("READ-FAILED", "AverageLatency(us)", 5.0),
        ]);
        assert_eq!(found, Ok(vec![("READ_latency_mean".to_owned(), 1.0), ("READ_failed".to_owned(), 2.0)]));
    }

    #[test]
    fn a_missing_operation_makes_the_run_incomplete() {
        let read = [("READ", "Operations", 6.0), ("READ", "Return=OK", 6.0)];
        assert!(matches!(of(&read), Err(Fault::Incomplete(_))));
        let more = [read[0], read[1], ("UPDATE", "Operations", 4.0), ("UPDATE", "Return=OK", 4.0)];
        assert!(of(&more).is_ok());
    }

    #[test]
    fn a_read_and_its_update_are_one_operation() {
        let all = [
            ("READ", "Operations", 10.0),
            ("READ", "Return=OK", 10.0),
            ("UPDATE", "Operations", 5.0),
            ("UPDATE", "Return=OK", 5.0),
            ("READ-MODIFY-WRITE", "Operations", 5.0),
        ];
        assert!(of(&all).is_ok());
        assert!(matches!(of(&all[..4]), Err(Fault::Incomplete(_))));
    }

    #[test]
    fn names_are_read_with_their_units() {
        let names =
            ["AverageLatency(us)", "99.9PercentileLatency(us)", "95thPercentileLatency(ms)", "p99.99", "0"];
        let found = names
            .map(|name| statistic(name).map(|(name, unit)| format!("{name} {unit}")).unwrap_or_default());
        assert_eq!(found, ["mean 0.000001", "p999 0.000001", "p95 0.001", "p9999 0.000001", ""]);
    }
}
