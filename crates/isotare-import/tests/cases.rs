//! Shortened texts from bug reports, of this and of other tools, and what is read from them.

use isotare_import::{FileRead, Status, read};
use std::fs;
use std::path::Path;

fn case(name: &str) -> FileRead {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    let found = read(name, &fs::read(path).expect("a file"), None);
    assert!(found.runs.iter().all(|run| run.status == Status::Complete), "{name}: {:?}", found.runs);
    found
}

/// The values of the metric of this name, one for each run that has it.
fn values(found: &FileRead, name: &str) -> Vec<f64> {
    let metrics = found.runs.iter().flat_map(|run| &run.metrics);
    metrics.filter(|metric| metric.name == name).map(|metric| metric.value).collect()
}

#[test]
fn redirects_are_counted_but_not_as_failures() {
    let found = case("ab-redirect.txt");
    assert_eq!(
        (values(&found, "non_2xx_responses"), values(&found, "failed_requests")),
        (vec![1000.0], vec![0.0])
    );
    assert_eq!(values(&found, "latency_max"), [0.152]);
    assert!(found.warnings.iter().any(|warning| warning.contains("no response had a status of 2xx")));
}

#[test]
fn the_warning_of_a_tool_is_passed_on() {
    let found = case("hyperfine-ignored-failure.txt");
    assert_eq!(found.warnings, ["line 5: the tool printed: Warning: Ignoring non-zero exit code."]);
    assert_eq!(values(&found, "time_mean"), [540.4 * 1e-6]);
}

#[test]
fn an_array_has_the_runs_of_its_documents() {
    let found = case("json-array.json");
    assert_eq!((found.tool, found.complete), (Some("iperf3"), 2));
    assert_eq!(found.runs[0].metrics, found.runs[1].metrics);
}

#[test]
fn rows_of_one_report_may_have_two_different_times() {
    let found = case("pidstat-h-crosses-second.txt");
    assert_eq!((values(&found, "%usr"), values(&found, "rows")), (vec![2.0, 3.0], vec![2.0, 2.0]));
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn lines_of_extra_metrics_belong_to_their_stressor() {
    let found = case("stress-ng-012-misc.txt");
    assert_eq!(found.complete, 1);
    assert_eq!(values(&found, "events_per_second"), [100.0]);
    assert_eq!(values(&found, "memory_rate_per_second"), [5372.21]);
    assert_eq!(values(&found, "memory_rate_mflop_per_second"), [2148.88]);
}

#[test]
fn runs_that_were_started_together_get_a_warning() {
    let found = case("sysbench-started-at-once.txt");
    assert_eq!(values(&found, "events_per_second"), [442.33, 365.48]);
    assert!(
        found
            .warnings
            .iter()
            .any(|warning| warning.contains("2 runs were started before the first one ended"))
    );
}
