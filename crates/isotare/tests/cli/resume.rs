//! `run FILE --resume`: a session that was killed or interrupted goes on in its order.

use crate::place::{Place, text};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const FILE: &str = r#"
name = "resumed"
environments = ["native#b"]
blocks = 7
null-test = false
repeats = 0
[[workload]]
name = "cpu"
events = 20
warmup = "1ms"
[[workload]]
name = "memory"
total = "1M"
warmup = "1ms"
"#;

/// Runs the file until its fourth block begins, then sends a signal; returns how it ended.
fn cut_short(place: &Place, file: &Path, signal: &str) -> Option<i32> {
    let mut command = place.isotare(&["run", &file.display().to_string()]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("block 4/")), "it reaches its fourth block");
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    // It must not wait for somebody to read what it says.
    lines.for_each(drop);
    child.wait().unwrap().code()
}

/// The conditions of the trials in their order.
fn order(session: &Value) -> Vec<(u64, u64)> {
    let number = |trial: &Value, key: &str| trial[key].as_u64().unwrap_or_else(|| panic!("{trial:#}"));
    let trials = session["trials"].as_array().unwrap();
    trials.iter().map(|trial| (number(trial, "index"), number(trial, "block"))).collect()
}

#[test]
fn a_session_that_was_cut_short_goes_on_in_its_order() {
    for (signal, status) in [("-KILL", None), ("-INT", Some(130))] {
        let place = Place::new();
        let file = place.write("experiment.toml", FILE);
        let path = file.display().to_string();
        assert_eq!(cut_short(&place, &file, signal), status, "{signal}");
        let (_, before) = place.json(&["report", "last", "--format", "json"]);
        let done = order(&before).len();
        assert!((12..28).contains(&done), "{done} of 28 trials: {signal}");
        place.run(&["clean"]);
        let (status, after) = place.json(&["run", &path, "--resume", "--format", "json"]);
        assert_eq!((status, &after["end"]), (0, &Value::from("complete")), "{after:#}");
        assert_eq!(after["session"]["id"], before["session"]["id"]);
        assert_eq!(after["session"]["seed"], before["session"]["seed"]);
        let orders = [&before, &after].map(order);
        let kept = orders[0].len() - usize::from(signal == "-INT" && ended_early(&before));
        assert_eq!(orders[0][..kept], orders[1][..kept], "what had run is as it was");
        let indices: Vec<u64> = orders[1].iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, (0..28).collect::<Vec<u64>>());
        let blocks: Vec<u64> = orders[1].iter().map(|(_, block)| *block).collect();
        assert_eq!(blocks, (0..28).map(|at| at / 4).collect::<Vec<u64>>());
        let output = place.run(&["run", &path, "--resume"]);
        assert!(text(&output).contains("has no session that was interrupted"), "{}", text(&output));
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

/// Whether the last trial was itself interrupted.
fn ended_early(session: &Value) -> bool {
    session["trials"].as_array().unwrap().last().is_some_and(|trial| trial["outcome"] == "interrupted")
}

#[test]
fn another_plan_does_not_go_on_with_it() {
    let place = Place::new();
    let file = place.write("experiment.toml", FILE);
    let path = file.display().to_string();
    let output = place.run(&["run", &path, "--resume"]);
    assert!(text(&output).contains("there is no store of sessions"), "{}", text(&output));
    cut_short(&place, &file, "-INT");
    place.write("experiment.toml", &FILE.replace("blocks = 7", "blocks = 8"));
    let output = place.run(&["run", &path, "--resume"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    for word in ["no interrupted session has the plan", "max_blocks", "leave --resume out"] {
        assert!(text(&output).contains(word), "{word}: {}", text(&output));
    }
}
