//! Tests of wrong input. A clear error must name the place, the value and the remedy, and nothing may be
//! started.

use crate::place::{Place, text};

/// Runs the program and expects exit code 2 and these words.
fn refused(place: &Place, arguments: &[&str], words: &[&str]) {
    let output = place.run(arguments);
    let shown = text(&output).replace("\n  │ ", " ");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {shown}");
    for word in words {
        assert!(shown.contains(word), "{arguments:?} does not say '{word}': {shown}");
    }
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn wrong_flags_are_refused_with_a_hint() {
    let place = Place::new();
    for (arguments, words) in [
        (&["compare", "--env", "dcoker"][..], &["dcoker", "containerd, docker"][..]),
        (&["compare", "--env", "container:netwrk=none"], &["netwrk", "network"]),
        (&["compare", "--workload", "cpu:max-prime=x"], &["max-prime", "x", "whole number"]),
        (&["compare", "--workload", "cup"], &["cup", "cpu"]),
        (&["compare", "--blocks", "0"], &["0 blocks", "6"]),
        (&["compare", "--blocks", "5"], &["5 blocks", "6"]),
        (&["compare", "--margin", "two"], &["two", "2%"]),
        (&["compare", "--precision", "0"], &["0", "2%"]),
        (&["compare", "--repeats", "2"], &["fraction", "25%"]),
        (&["compare", "--cpus", "0-4095"], &["0-4095", "choose from"]),
        (&["compare", "--out", "/no/such/folder/page.html"], &["/no/such/folder"]),
        (&["compare", "--out", "page.pdf"], &["page.pdf", ".html"]),
        (&["compare", "--", "no-such-program-anywhere"], &["no-such-program-anywhere"]),
        (&["compare", "--work", "/no/such/folder"], &["/no/such/folder", "--work"]),
        (&["report", "nothing"], &["store"]),
        (&["selftest", "--kind", "sleep"], &["sleep", "busy-loop", "observer"]),
        (&["selftest", "--kind", "busy-loop:percent=0.01"], &["percent=0.01", "not a whole number"]),
        (&["selftest", "--blocks", "3"], &["3 blocks", "6"]),
        (&["selftest", "--format", "html"], &["no HTML report", "csv"]),
    ] {
        refused(&place, arguments, words);
    }
}

#[test]
fn wrong_files_are_refused_with_a_hint() {
    let place = Place::new();
    let check = |text: &str, words: &[&str]| {
        let file = place.write("experiment.toml", text);
        refused(&place, &["plan", &file.display().to_string()], words);
    };
    check("enviroments = [\"native\"]\n", &["experiment.toml:1", "enviroments", "environments"]);
    check(
        "environments = [\"native\"]\nblocks = \"ten\"\n[[workload]]\nname = \"cpu\"\n",
        &["experiment.toml:2", "ten"],
    );
    check("environments = [\"no-such\"]\n[[workload]]\nname = \"cpu\"\n", &["no-such"]);
    check(
        "environments = [\"native\"]\nblocks = 0\n[[workload]]\nname = \"cpu\"\n",
        &["experiment.toml:2", "0"],
    );
    refused(&place, &["run", "/no/such/file.toml"], &["/no/such/file.toml"]);
    refused(&place, &["run", "/var"], &["/var"]);
}

#[test]
fn an_environment_that_is_not_there_is_reported_and_the_rest_is_measured() {
    let place = Place::new();
    let arguments = [
        "compare",
        "--env",
        "docker:host=unix:///no/such.sock",
        "--workload",
        "cpu:events=20",
        "--blocks",
        "6",
        "--repeats",
        "0",
        "--format",
        "json",
    ];
    let (status, json) = place.json(&arguments);
    assert_eq!(status, 1, "{json:#}");
    let outcomes: Vec<_> = json["trials"].as_array().unwrap().iter().map(|trial| &trial["outcome"]).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "unavailable").count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "completed").count(), 12, "{json:#}");
    let arguments =
        [&["compare", "--baseline", "docker:host=unix:///no/such.sock"], &arguments[3..]].concat();
    assert_eq!(place.json(&arguments).0, 3, "nothing could be measured");
}

#[test]
fn a_kernel_file_that_is_not_a_kernel_is_named() {
    let place = Place::new();
    let output = place.run(&[
        "compare",
        "--env",
        "qemu:accel=tcg,kernel=/etc/passwd",
        "--workload",
        "cpu:events=20",
        "--blocks",
        "6",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("/etc/passwd") || text(&output).contains("qemu-system"),
        "{}",
        text(&output)
    );
}
