//! Tests with texts that differ from all recorded outputs.

use super::*;
use crate::{Status, read};

fn check(text: &str, expect: &[(&str, Status, Option<f64>)]) {
    assert!(recognises(text), "{text}");
    let found = read("", text.as_bytes(), Some(&STRESS_NG));
    let of_run = |run: &Run| {
        let rate =
            run.metrics.iter().find(|metric| metric.name == "events_per_second").map(|metric| metric.value);
        (run.labels.get("test").cloned().unwrap_or_default(), run.status, rate)
    };
    let found: Vec<_> = found.runs.iter().map(of_run).collect();
    let expect: Vec<_> =
        expect.iter().map(|(test, status, rate)| ((*test).to_owned(), *status, *rate)).collect();
    assert_eq!(found, expect, "{text}");
}

/// The output of 0.12 and earlier: the line that says how the run ended is the first one.
const OLD: &str = "stress-ng: info:  [5021] dispatching hogs: 4 cpu\n\
    stress-ng: info:  [5021] successful run completed in 10.00s\n\
    stress-ng: info:  [5021] stressor       bogo ops real time  usr time  sys time   bogo ops/s   bogo ops/s\n\
    stress-ng: info:  [5021]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)\n\
    stress-ng: info:  [5021] cpu                3404     10.00     39.97      0.00       340.38        85.16\n";

#[test]
fn the_line_about_the_end_is_before_or_after_the_table() {
    let cpu = ("cpu", Status::Complete, Some(340.38));
    check(OLD, &[cpu]);
    check(&format!("{OLD}{OLD}"), &[cpu, cpu]);
    let end = "stress-ng: info:  [5021] successful run completed in 10.00s\n";
    let new = OLD.replace(end, "") + end;
    check(&new, &[cpu]);
    check(&format!("{new}{new}"), &[cpu, cpu]);
    check(&OLD.replace(end, ""), &[("cpu", Status::Incomplete, None)]);
}

#[test]
fn failed_and_mixed_runs_have_no_numbers() {
    let failed = ("cpu", Status::Unreadable, None);
    check(&OLD.replace(" successful", " unsuccessful"), &[failed]);
    check(&format!("{OLD}stress-ng: info:  [5021] failed: 4: cpu (4)\n"), &[failed]);
    check(&format!("{OLD}stress-ng: info:  [5021] metrics untrustworthy: 4: cpu (4)\n"), &[failed]);
    check(&OLD.replace("  3404 ", "     0 "), &[failed]);
    check(&OLD.replace("340.38", "440.38"), &[failed]);
    let row = OLD.lines().last().unwrap_or_default();
    check(&format!("{OLD}{row}\n"), &[("cpu", Status::Incomplete, None); 2]);
    check(OLD.trim_end(), &[("cpu", Status::Incomplete, None)]);
    check("stress-ng: info:  [5021] dispatching hogs: 4 cpu\n", &[("", Status::Incomplete, None)]);
    // Two runs at the same time slow each other, so they are not used, although their lines can be
    // distinguished.
    let other = OLD.replace("5021", "77").replace("cpu", "vm ");
    let both: String = OLD.lines().zip(other.lines()).flat_map(|(one, two)| [one, "\n", two, "\n"]).collect();
    check(&both, &[("cpu", Status::Incomplete, None), ("vm", Status::Incomplete, None)]);
    check(
        &format!("{OLD}{other}"),
        &[("cpu", Status::Complete, Some(340.38)), ("vm", Status::Complete, Some(340.38))],
    );
}

/// From a bug report: each stressor of such a table was reported as mixed with another run.
#[test]
fn metrics_below_the_row_of_a_stressor_belong_to_it() {
    let text = "stress-ng: info:  [2680] dispatching hogs: 2 stream, 1 cpu\n\
        stress-ng: info:  [2680] successful run completed in 10.06s\n\
        stress-ng: info:  [2680] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s\n\
        stress-ng: info:  [2680]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)\n\
        stress-ng: info:  [2680] stream             1000     10.00     19.50      0.10       100.00          51.02\n\
        stress-ng: info:  [2680] stream          5372.21 memory rate (MB per sec) (average per stressor)\n\
        stress-ng: info:  [2680] stream          2148.88 memory rate (Mflop per sec) (average per stressor)\n\
        stress-ng: info:  [2680] cpu                3404     10.00     39.97      0.00       340.38        85.16\n";
    check(text, &[("stream", Status::Complete, Some(100.0)), ("cpu", Status::Complete, Some(340.38))]);
    let found = read("", text.as_bytes(), None);
    let own: Vec<_> = found.runs[0]
        .metrics
        .iter()
        .rev()
        .take(2)
        .map(|m| (m.name.as_ref(), m.unit.as_ref(), m.value))
        .collect();
    let rates =
        [("memory_rate_mflop_per_second", "Mflop/s", 2148.88), ("memory_rate_per_second", "MB/s", 5372.21)];
    assert_eq!(own, rates);
}

#[test]
fn rates_of_a_single_stressor_are_read() {
    for (description, expect) in [
        ("wcscasecmp calls per sec", Some(("wcscasecmp_calls_per_second", "1/s"))),
        ("memory rate (MB per sec)", Some(("memory_rate_per_second", "MB/s"))),
        ("MB/sec read/write combined rate", Some(("read_write_combined_rate", "MB/s"))),
        ("memcpy MB per sec", Some(("memcpy_per_second", "MB/s"))),
        ("memory rate (Mflop per sec)", Some(("memory_rate_mflop_per_second", "Mflop/s"))),
        ("nanosecs per page fault", None),
    ] {
        let expect = expect.map(|(name, unit)| (name.to_owned(), unit));
        assert_eq!(own_rate(description), expect, "{description}");
    }
}
