//! Tests of limits of instances: the ledger contains their real values, and a trial that reaches one reports
//! it.

use crate::place::{Place, text};
use isotare_cgroup::Hierarchies;
use serde_json::Value;

/// Prints a message if there is no limit to test. Returns whether this is so.
fn skipped() -> bool {
    let usable =
        Hierarchies::discover().is_ok_and(|all| all.writable("isotare").is_ok() && all.limits_tasks());
    if !usable {
        isotare_testkit::tally::tell(
            "skipped the limit of processes: no cgroups with the controller pids here",
        );
    }
    !usable
}

fn compare(place: &Place, more: &[&str]) -> (i32, Value) {
    let arguments =
        ["compare", "--env", "container", "--no-null", "--blocks", "6", "--repeats", "0", "--format", "json"];
    place.json(&[&arguments[..], more].concat())
}

#[test]
fn a_trial_that_hits_its_limit_of_processes_says_so() {
    if skipped() {
        return;
    }
    let place = Place::new();
    let (status, json) = compare(&place, &["--processes", "64", "-w", "threads:threads=100,time=10ms"]);
    assert_eq!(status, 3, "{json:#}");
    let trials = json["trials"].as_array().unwrap();
    assert!(!trials.is_empty(), "{json:#}");
    for trial in trials {
        let reason = trial["failure"]["reason"].as_str().unwrap_or_default();
        for words in ["start thread", "(the limit of 64 processes was reached once"] {
            assert!(reason.contains(words), "{words}: {trial:#}");
        }
    }
}

#[test]
fn every_environment_has_the_usual_limit_of_processes() {
    if skipped() {
        return;
    }
    let place = Place::new();
    let (status, json) = compare(&place, &["-w", "threads:threads=900,events=900"]);
    assert_eq!((status, &json["processes"]), (0, &Value::from(1024)), "{json:#}");
    assert_eq!(json["ledger"]["same"]["processes"], "1024", "{:#}", json["ledger"]);
    let page = text(&place.run(&["report", "--format", "markdown"]));
    assert!(page.contains("1024 processes"), "{page}");
}

#[test]
fn a_limit_that_is_too_small_to_run_is_refused() {
    let place = Place::new();
    let output = place.run(&["compare", "--env", "container", "--processes", "9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("from 64 to 4194304"), "{}", text(&output));
}
