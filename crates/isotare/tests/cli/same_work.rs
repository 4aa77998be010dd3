//! Tests that a command has no figure in an environment where it could not do its work.

use crate::images::can_chroot;
use crate::place::Place;
use serde_json::Value;

/// If the root contains only a shell, the programs of this script are missing, but the shell still exits with
/// 0.
const SCRIPT: &str = "sort -n /etc/services >/dev/null; gzip -c /bin/bash | wc -c; echo done";

fn compared(place: &Place, environment: &str, options: &[&str]) -> (i32, Value) {
    let fixed = ["compare", "-e", environment, "-n", "6", "--repeats", "0", "--format", "json"];
    place.json(&[&fixed[..], options, &["--", "sh", "-c", SCRIPT]].concat())
}

/// The kinds of warnings for the first figure of an environment.
fn warnings(report: &Value, environment: &str) -> Vec<String> {
    let rows = report["results"].as_array().unwrap();
    let row =
        rows.iter().find(|row| row["environment"] == environment && row["metric"] == "wall_time").unwrap();
    let kinds = row["warnings"].as_array().unwrap().iter().map(|warning| warning["kind"].as_str().unwrap());
    kinds.map(str::to_owned).collect()
}

fn outcomes(report: &Value, environment: &str) -> Vec<String> {
    let trials = report["trials"].as_array().unwrap().iter();
    let here = trials.filter(|trial| trial["environment"] == environment);
    here.map(|trial| trial["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn work_that_was_not_done_is_invalid() {
    if !can_chroot() {
        return;
    }
    let place = Place::new();
    let bare = "chroot:image=agent";
    let (status, report) = compared(&place, bare, &[]);
    assert_eq!((status, outcomes(&report, bare)), (1, vec!["invalid".to_owned(); 6]));
    assert_eq!(outcomes(&report, "native"), vec!["completed"; 6]);
    let trials = report["trials"].as_array().unwrap();
    let failed = trials.iter().find(|trial| trial["environment"] == bare).unwrap();
    let reason = failed["failure"]["reason"].as_str().unwrap();
    for part in [
        r#"it wrote 5 bytes, "done\n" to standard output, while native wrote "#,
        "gzip: not found",
        "--accept-different-output",
    ] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    // The stored session gives the same result in every command that shows it.
    assert_eq!(outcomes(&place.json(&["report", "last", "--format", "json"]).1, bare), vec!["invalid"; 6]);
    let said = |arguments: &[&str]| String::from_utf8_lossy(&place.run(arguments).stdout).into_owned();
    let list = said(&["report", "--list"]);
    assert!(list.lines().any(|line| line.contains("18      12         complete")), "{list}");
    let log = said(&["report", "--log"]);
    let told = log.lines().find(|line| line.contains("not the same work")).unwrap_or_else(|| panic!("{log}"));
    assert!(told.starts_with("20") && told.contains("Z  command -- sh -c "), "{told}");
    let text = said(&["report", "last"]);
    assert!(text.contains("gzip: not found"), "{text}");
}

#[test]
fn different_output_that_is_accepted_causes_a_warning() {
    if !can_chroot() {
        return;
    }
    let place = Place::new();
    let bare = "chroot:image=agent";
    let (status, report) = compared(&place, bare, &["--accept-different-output"]);
    assert_eq!((status, outcomes(&report, bare)), (0, vec!["completed".to_owned(); 6]));
    let found = warnings(&report, bare);
    for kind in ["different-output", "did-less-work", "incomplete", "faster-than-baseline"] {
        assert!(found.iter().any(|known| known == kind), "{kind} in {found:?}");
    }
}

#[test]
fn a_command_finds_its_programs_where_the_hosts_userland_can_be_shown() {
    if !can_chroot() {
        return;
    }
    let place = Place::new();
    let (status, report) = compared(&place, "chroot", &[]);
    assert_eq!((status, outcomes(&report, "chroot")), (0, vec!["completed".to_owned(); 6]));
    let image =
        report["ledger"]["differs"].as_array().unwrap().iter().find(|row| row["fact"] == "image").unwrap();
    assert_eq!(image["values"]["chroot"], "host");
    let found = warnings(&report, "chroot");
    assert!(!found.iter().any(|kind| kind == "incomplete" || kind == "output-changes"), "{found:?}");
}

#[test]
fn output_that_always_changes_is_not_compared() {
    if !can_chroot() {
        return;
    }
    let place = Place::new();
    let fixed = ["compare", "-e", "chroot", "-n", "6", "--repeats", "0", "--format", "json"];
    let (status, report) = place.json(&[&fixed[..], &["--", "sh", "-c", "echo $$ of $(date +%N)"]].concat());
    assert_eq!(status, 0);
    assert!(warnings(&report, "chroot").contains(&"output-changes".to_owned()));
}
