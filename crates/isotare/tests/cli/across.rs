//! Tests with values from a file, and with comparisons of two sessions.

use crate::place::{Place, text};
use isotare_core::SessionEnd;
use isotare_import::{Reading, paired};
use isotare_store::Store;
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

/// Ten blocks of a program that costs `cost` under `vm`. All times are multiplied by `slowness`.
fn values(slowness: f64, cost: f64) -> String {
    let mut text = "block,condition,metric,value,unit\n".to_owned();
    for block in 0..10 {
        let jitter = |k: i32| slowness * (1.0 + 0.001 * f64::from((block * 7 + k * 5) % 11));
        let rows = [("native", jitter(0)), ("native#null", jitter(1)), ("vm", cost * jitter(2))];
        for (condition, seconds) in rows {
            text.push_str(&format!("{block},{condition},wall_time,{seconds},s\n"));
        }
    }
    text
}

/// Stores values as a session of this place.
fn keep(place: &Place, id: &str, text: &str, memory: u64) {
    let (mut session, trials) = paired(text.as_bytes(), &Reading::default()).unwrap();
    session.id = id.to_owned();
    session.started = format!("2026-03-14T09:15:{id}Z");
    session.plan.budget.memory = memory;
    let mut store = Store::open(&place.path("store.db")).unwrap();
    store.begin(&session).unwrap();
    trials.iter().for_each(|trial| store.record(id, trial).unwrap());
    store.finish(id, SessionEnd::Complete).unwrap();
}

fn row(json: &Value, environment: &str) -> Value {
    let is_it = |row: &&Value| row["environment"] == environment;
    json["results"].as_array().unwrap().iter().find(is_it).unwrap().clone()
}

#[test]
fn a_file_of_values_from_elsewhere_gets_verdicts() {
    let place = Place::new();
    let file = place.write("values.csv", &values(1.0, 1.1)).display().to_string();
    let (status, json) = place.json(&["analyze", &file, "--format", "json"]);
    assert_eq!((status, &json["null_test"]["calibrated"]), (0, &Value::Bool(true)), "{json:#}");
    assert_eq!(row(&json, "vm")["verdict"], "slower");
    let (_, json) =
        place.json(&["analyze", &file, "--baseline", "vm", "--margin", "20%", "--format", "json"]);
    assert_eq!(row(&json, "native")["verdict"], "equivalent");
    let (_, json) = place.json(&["analyze", &file, "--higher", "wall_time", "--format", "json"]);
    assert_eq!(row(&json, "vm")["verdict"], "faster");

    let mut child =
        place.isotare(&["analyze", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(values(1.0, 1.1).as_bytes()).unwrap();
    let shown = text(&child.wait_with_output().unwrap());
    assert!(shown.contains("null test passed") && shown.contains("vm"), "{shown}");
}

#[test]
fn an_inconclusive_null_test_is_not_called_passed() {
    let place = Place::new();
    let wide = |block: i32| if block % 2 == 0 { 0.3 } else { 3.0 };
    let mut content = "block,condition,metric,value,unit\n".to_owned();
    for block in 0..10 {
        let rows = [("native", 1.0), ("native#null", wide(block)), ("vm", 1.1)];
        rows.iter().for_each(|(name, value)| content.push_str(&format!("{block},{name},t,{value},s\n")));
    }
    let file = place.write("values.csv", &content).display().to_string();
    let (_, json) = place.json(&["analyze", &file, "--format", "json"]);
    let test = &json["null_test"];
    assert_eq!((&test["status"], &test["calibrated"]), (&"not-shown".into(), &Value::Null), "{test:#}");
    let shown = text(&place.run(&["analyze", &file]));
    assert!(shown.contains("null test not shown (resolves "), "{shown}");
}

#[test]
fn a_direction_that_the_unit_does_not_show_must_be_given() {
    let place = Place::new();
    let mut content = "block,condition,metric,value,unit\n".to_owned();
    for block in 0..8 {
        content
            .push_str(&format!("{block},native,rate,10{block},KIOPS\n{block},jail,rate,11{block},KIOPS\n"));
    }
    let file = place.write("rates.csv", &content).display().to_string();
    let (_, json) = place.json(&["analyze", &file, "--format", "json"]);
    assert_eq!(row(&json, "jail")["verdict"], "faster");
    let file = place.write("points.csv", &content.replace("KIOPS", "points")).display().to_string();
    let output = place.run(&["analyze", &file]);
    let shown = text(&output);
    assert!(
        output.status.code() == Some(2) && shown.contains("'points'") && shown.contains("--lower"),
        "{shown}"
    );
    for (option, verdict) in [("--higher", "faster"), ("--lower", "slower")] {
        let (_, json) = place.json(&["analyze", &file, option, "rate", "--format", "json"]);
        assert_eq!(row(&json, "jail")["verdict"], verdict);
    }
}

#[test]
fn the_reason_for_the_end_of_a_session_has_one_name() {
    let place = Place::new();
    keep(&place, "01", &values(1.0, 1.1), 1 << 30);
    Store::open(&place.path("store.db")).unwrap().finish("01", SessionEnd::TimeLimit).unwrap();
    let shown = text(&place.run(&["report", "--list"]));
    assert!(shown.contains(" time-limit") && !shown.contains("timelimit"), "{shown}");
}

#[test]
fn errors_in_a_file_are_explained() {
    let place = Place::new();
    for (content, words) in [
        ("block,condition,value\n", &["values.csv: line 1", "metric", "the first line has to name"][..]),
        ("block,condition,metric,value\n1,a,t,x\n", &["values.csv: line 2", "'x'", "correct the line"]),
        (
            "block,condition,metric,value\n1,a,t,1\n1,a,t,2\n",
            &["line 3", "second value", "repeats by their median"],
        ),
    ] {
        let file = place.write("values.csv", content).display().to_string();
        let output = place.run(&["analyze", &file]);
        let shown = text(&output).replace("\n  │ ", " ").replace("\n        ", " ");
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(words.iter().all(|word| shown.contains(word)), "{shown}");
    }
    assert_eq!(place.run(&["analyze", "/no/such.csv"]).status.code(), Some(2));
}

#[test]
fn a_regression_has_an_exit_code() {
    let place = Place::new();
    keep(&place, "01", &values(1.0, 1.1), 1 << 30);
    keep(&place, "02", &values(1.4, 1.1), 1 << 30);
    keep(&place, "03", &values(0.8, 1.2), 1 << 30);
    let (status, json) = place.json(&["diff", "01", "02", "--format", "json"]);
    assert_eq!((status, &row(&json, "vm")["verdict"]), (0, &Value::from("equivalent")), "{json:#}");
    let (status, json) = place.json(&["diff", "--format", "json"]);
    assert_eq!((status, &row(&json, "vm")["verdict"]), (4, &Value::from("slower")), "{json:#}");
    assert_eq!((&json["before"]["session"], &json["after"]["session"]), (&"02".into(), &"03".into()));
    assert_eq!(
        place.run(&["diff", "last", "last~1"]).status.code(),
        Some(0),
        "what got faster is no regression"
    );
    assert_eq!(place.run(&["diff", "last~7", "last"]).status.code(), Some(2));
}

#[test]
fn different_budgets_are_refused_without_force() {
    let place = Place::new();
    keep(&place, "01", &values(1.0, 1.1), 1 << 30);
    keep(&place, "02", &values(1.0, 1.1), 1 << 31);
    let output = place.run(&["diff"]);
    let shown = text(&output).replace("\n  │ ", " ");
    assert_eq!(output.status.code(), Some(2));
    assert!(shown.contains("1 GiB before, 2 GiB after") && shown.contains("--force"), "{shown}");
    let output = place.run(&["diff", "--force"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("not the same in both sessions: memory"), "{}", text(&output));
}
