//! Tests of the self-test: injected overheads are found, and injections that are impossible are reported.

use crate::place::{Place, text};
use serde_json::Value;

/// The number of blocks is large enough for intervals that miss the true value once in a thousand.
const SURE: &[&str] = &["--blocks", "11", "--level", "99.9%", "--seed", "5"];

#[test]
fn a_known_overhead_is_found_and_the_contract_is_kept() {
    let place = Place::new();
    let arguments = [&["selftest", "--kind", "busy-loop:percent=50", "--format", "json"], SURE].concat();
    let output = place
        .isotare(&arguments)
        .env_remove("ISOTARE_STORE")
        .env("XDG_DATA_HOME", place.path("data"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["schema_version"].is_u64() && json["host"]["facts"]["kernel"].is_string(), "{json:#}");
    let [found] = json["injections"].as_array().unwrap().as_slice() else { panic!("{json:#}") };
    let number = |field: &str| found[field].as_f64().unwrap_or_else(|| panic!("{field}: {found:#}"));
    assert_eq!((&found["kind"], &found["recovered"]), (&"busy-loop".into(), &true.into()), "{found:#}");
    assert!((number("true_ratio") - 1.5).abs() < 1e-12);
    assert!(number("low") <= number("ratio") && number("ratio") <= number("high"), "{found:#}");
    assert_eq!(
        (json["summary"]["measured"].as_u64(), json["summary"]["recovered"].as_u64()),
        (Some(1), Some(1))
    );
    assert!(json["observer"].as_array().unwrap().is_empty(), "it was not asked for");
    // Disturbed blocks are measured again.
    assert!(json["clocks"]["trials"].as_u64().is_some_and(|trials| trials >= 22), "{json:#}");
    assert!(json["records"]["missing"].as_array().unwrap().is_empty(), "{json:#}");
    assert!(!place.path("data").exists(), "no store was named, so none is made");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn a_named_store_keeps_the_sessions_and_impossible_injections_are_reported() {
    let place = Place::new();
    let arguments = [
        "selftest",
        "--kind",
        "read-delay:percent=100",
        "--kind",
        "link",
        "--blocks",
        "6",
        "--format",
        "csv",
    ];
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", text(&output));
    let rows = String::from_utf8(output.stdout).unwrap();
    let row = rows.lines().find(|row| row.starts_with("read-delay,")).unwrap_or_else(|| panic!("{rows}"));
    let session = row.rsplit(',').next().unwrap();
    let (status, kept) = place.json(&["report", session, "--format", "json"]);
    assert_eq!(status, 0);
    assert!(kept["trials"].as_array().unwrap().len() >= 12);
    assert_eq!(place.leftovers(), Vec::<String>::new());
    let sessions: Vec<&str> = rows.lines().skip(1).filter_map(|row| row.rsplit(',').next()).collect();
    let namespaces = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = namespaces.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let left: Vec<_> = names.filter(|name| sessions.iter().any(|session| name.contains(session))).collect();
    assert!(left.is_empty(), "{left:?}");
}
