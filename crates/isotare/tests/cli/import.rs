//! Tests of importing files of other tools, of exporting sessions as tables, and of watching processes.

use crate::place::{Place, text};
use serde_json::Value;
use std::fs;

const DD: &str =
    "100+0 records in\n100+0 records out\n104857600 bytes (105 MB, 100 MiB) copied, SECONDS s, 1.0 GB/s\n";

/// Eight repetitions of a copy under each of two environments.
fn copies(place: &Place) {
    for iteration in 1..=8 {
        for (environment, seconds) in [("native", 0.1), ("vm", 0.2)] {
            let seconds = seconds * (1.0 + 0.001 * f64::from(iteration * 7 % 5));
            let text = DD.replace("SECONDS", &format!("{seconds:.6}"));
            place.write(&format!("{environment}-{iteration}.txt"), &text);
        }
    }
}

#[test]
fn files_become_runs_with_labels_and_a_comparison() {
    let place = Place::new();
    copies(&place);
    let folder = place.path(".").display().to_string();
    let arguments = ["import", &folder, "--pattern", "{environment}-{iteration}.txt", "--format", "json"];
    let (status, json) = place.json(&arguments);
    assert_eq!(status, 0, "{json:#}");
    let files = json["files"].as_array().unwrap();
    assert_eq!(files.len(), 16);
    let first = &files[0];
    assert_eq!(
        (&first["tool"], &first["complete"], &first["incomplete"], &first["unreadable"]),
        (&"dd".into(), &1.into(), &0.into(), &0.into())
    );
    assert_eq!(first["runs"][0]["labels"]["environment"], "native");
    let metric = &first["runs"][0]["metrics"][1];
    assert_eq!((&metric["name"], &metric["unit"]), (&"total_time".into(), &"s".into()));
    let rows = json["comparison"]["results"].as_array().unwrap();
    let time = rows.iter().find(|row| row["metric"] == "total_time").unwrap();
    assert!((time["ratio"].as_f64().unwrap() - 2.0).abs() < 0.01, "{time:#}");

    let shown = text(&place.isotare(&arguments[..4]).output().unwrap());
    assert!(shown.contains("native-1.txt") && shown.contains("total time"), "{shown}");
    let output =
        place.isotare(&["import", &folder, "--format", "csv", "--label", "host=a"]).output().unwrap();
    let csv = String::from_utf8(output.stdout).unwrap();
    assert_eq!(csv.lines().next(), Some("file,tool,version,line,block_size,host,metric,unit,value"));
    assert_eq!(csv.lines().count(), 49);
}

#[test]
fn incomplete_output_is_reported_and_has_no_numbers() {
    let place = Place::new();
    let whole = DD.replace("SECONDS", "0.1");
    place.write("cut.txt", &whole[..60]);
    place.write("whole.txt", &whole);
    place.write("other.txt", "nobody's output\n");
    let run = |files: &[&str]| {
        let files: Vec<String> = files.iter().map(|file| place.path(file).display().to_string()).collect();
        let mut arguments = vec!["import", "--format", "json"];
        arguments.extend(files.iter().map(String::as_str));
        let (status, json) = place.json(&arguments);
        (status, json["files"].clone())
    };
    let (status, files) = run(&["whole.txt", "cut.txt"]);
    assert_eq!(
        (status, &files[1]["incomplete"], &files[1]["runs"][0]["metrics"]),
        (1, &1.into(), &Value::Array(vec![]))
    );
    let (status, files) = run(&["other.txt"]);
    assert_eq!((status, &files[0]["unreadable"], &files[0]["tool"]), (2, &1.into(), &Value::Null));
    assert_eq!(run(&["cut.txt"]).0, 1, "it is read, and incomplete");
    for (arguments, words) in [
        (&["import", "/nowhere/x"][..], "cannot be read"),
        (&["import", "x", "--type", "ddd"], "known tools"),
        (&["import", "x", "--pattern", "x.txt"], "no label"),
        (&["import", "x", "--label", "x"], "environment=docker"),
        (&["import", "x", "--manifest", "/nowhere.csv"], "/nowhere.csv"),
    ] {
        let output = place.isotare(arguments).output().unwrap();
        let said = text(&output);
        assert!(output.status.code() == Some(2) && said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn a_session_is_exported_in_every_form() {
    let place = Place::new();
    let arguments = [
        "compare",
        "-e",
        "native",
        "-w",
        "cpu:events=50",
        "-n",
        "6",
        "--no-null",
        "--repeats",
        "0",
        "--format",
        "json",
    ];
    assert_eq!(place.json(&arguments).0, 0);
    let csv = text(&place.isotare(&["export"]).output().unwrap());
    assert!(csv.starts_with("session,trial,block,environment,is_baseline,"), "{csv}");
    let rates = csv.lines().filter(|line| line.contains(",events_per_second,1/s,higher,")).count();
    assert_eq!(rates, 6);
    let (status, json) = place.json(&["export", "--readings", "--format", "json"]);
    assert_eq!((status, json[0]["session"]["plan"]["min_blocks"].as_u64()), (0, Some(6)));
    let kinds =
        |kind: &str| json[0]["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == kind).count();
    assert!(kinds("sample") > 3 && kinds("phase") > 3 && kinds("reading") > 3);
    let file = place.path("out.parquet");
    assert!(place.isotare(&["export", "--out", file.to_str().unwrap()]).status().unwrap().success());
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let output = place.isotare(&["export", "--out", place.path("x.xyz").to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_process_is_watched_as_pidstat_does() {
    let place = Place::new();
    let arguments = ["sample", "-p", "SELF", "-i", "50ms", "-c", "3", "-u", "-r", "-d", "-w"];
    let output = place.isotare(&arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for columns in [
        "%usr %system  %guest   %wait    %CPU   CPU",
        "minflt/s  majflt/s     VSZ     RSS   %MEM",
        "kB_rd/s",
        " cswch/s",
    ] {
        assert_eq!(said.matches(columns).count(), 4, "{said}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("3 readings; they were late by"));
    let file = place.write("sample.txt", &said).display().to_string();
    let (status, json) = place.json(&["import", &file, "--format", "json"]);
    let found = &json["files"][0];
    assert_eq!((status, &found["complete"], &found["tool"]), (0, &1.into(), &"pidstat".into()), "{json:#}");
    let rows = found["runs"][0]["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "rows");
    assert_eq!(rows.unwrap()["value"], 3.0, "{json:#}");
    let output = place
        .isotare(&["sample", "-p", "SELF", "-i", "0.02", "-c", "2", "--format", "csv"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    for (arguments, words) in [
        (&["sample", "-p", "x"][..], "not a process"),
        (&["sample", "-p", "4194304"], "none of these"),
        (&["sample", "--cgroup", "no/such"], "no cgroup"),
    ] {
        let output = place.isotare(arguments).output().unwrap();
        assert!(output.status.code() == Some(2) && text(&output).contains(words), "{}", text(&output));
    }
}
