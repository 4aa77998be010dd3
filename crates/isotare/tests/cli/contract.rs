//! Tests of what other programs rely on: JSON fields, formats of output, exit codes.

use crate::place::{Place, text};
use serde_json::Value;

const SMALL: &[&str] =
    &["compare", "--blocks", "6", "--repeats", "0", "--workload", "cpu:events=60,warmup=5ms", "--seed", "7"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn compare_gives_every_field_of_the_contract_and_report_gives_the_same_again() {
    let place = Place::new();
    let (status, first) = place.json(&with(&["--env", "container", "--format", "json"]));
    assert_eq!(status, 0, "{first:#}");
    assert!(first["session"].is_string() && first["schema_version"].is_u64());
    let results = first["results"].as_array().unwrap();
    let row = |environment: &str| {
        let is = |row: &&Value| row["environment"] == environment && row["metric"] == "events_per_second";
        results.iter().find(is).unwrap_or_else(|| panic!("no row of {environment}"))
    };
    for environment in ["container", "native#null"] {
        let row = row(environment);
        for (field, expected) in
            [("workload", "cpu"), ("unit", "1/s"), ("better", "higher"), ("baseline", "native")]
        {
            assert_eq!(row[field], expected, "{row:#}");
        }
        assert_eq!(row["parameters"]["events"], "60");
        assert_eq!(row["blocks"], 6);
        let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("{field}: {row:#}"));
        assert!(number("low") <= number("ratio") && number("ratio") <= number("high"));
        assert!(
            (number("ratio") * number("cost") - 1.0).abs() < 1e-9,
            "more is better here, so cost is its inverse"
        );
        assert!(number("value") > 0.0 && (number("level") - 0.95).abs() < 1e-12);
        assert!(
            ["slower", "faster", "equivalent", "inconclusive"].contains(&row["verdict"].as_str().unwrap())
        );
        assert!(row["warnings"].is_array());
    }
    let trials = first["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 18);
    assert!(trials.iter().all(|trial| trial["outcome"] == "completed"));
    assert_eq!(place.json(&["report", "--format", "json"]), (0, first.clone()));
    let session = first["session"].as_str().unwrap();
    for (form, part) in [("text", "cpu"), ("csv", "workload,"), ("markdown", "| "), ("html", "<svg")] {
        let output = place.run(&["report", session, "--format", form]);
        assert!(output.status.success() && text(&output).contains(part), "{form}: {}", text(&output));
    }
    assert!(Place::cgroups(session).is_empty());
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn a_session_ends_when_it_is_precise_enough_and_tells_what_disturbed_it() {
    let place = Place::new();
    let arguments = ["compare", "--env", "native#b", "--workload", "cpu:events=40,warmup=2ms"];
    let asked = ["--precision", "90%", "--repeats", "10%", "--format", "json"];
    let output = place.run(&[&arguments[..], &asked[..]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    assert_eq!((output.status.code(), &json["end"]), (Some(0), &Value::from("precise")), "{json:#}");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(talk.matches("by the first 6 blocks, ").count(), 1, "{talk}");
    assert_eq!(json["stopping"]["reached"], true);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{json:#}"));
    let first = json["results"].as_array().unwrap().iter().filter(|row| row["metric"] == "events_per_second");
    let widths: Vec<f64> = first.map(|row| (number(&row["high"]) / number(&row["low"])).ln() / 2.0).collect();
    assert!(widths.len() == 2 && widths.iter().all(|width| *width <= 0.9), "{widths:?}");
    let found = &json["disturbance"];
    let count = |list: &str| found[list].as_array().unwrap().len();
    assert_eq!(found["counted"], 20, "{found:#}");
    assert!(count("repeats") <= 2 && count("replaced") == count("repeats"), "{found:#}");
    assert_eq!(count("disturbed"), count("replaced") + count("remaining"), "{found:#}");
    let trials = json["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 3 * (20 + count("repeats")));
    for trial in trials {
        assert!(number(&trial["noise"]["before"]["integer"]) > 0.0, "{trial:#}");
        assert!(number(&trial["clock_strayed"]).abs() < 1e-3, "{trial:#}");
    }
    let told = text(&place.run(&["report"]));
    assert!(told.contains("blocks w") && told.contains("disturbed"), "{told}");
    assert!(
        told.contains(
            "the requested precision was reached: the first metric of every workload is known within ±90 %"
        ),
        "{told}"
    );
}

#[test]
fn a_command_of_the_host_runs_everywhere() {
    let place = Place::new();
    let file = place.write("input", "three\nshort\nlines\n");
    let carried = file.display().to_string();
    let page = place.path("page.html").display().to_string();
    let arguments = [
        "compare",
        "--env",
        "container",
        "--blocks",
        "6",
        "--out",
        &page,
        "--carry",
        &carried,
        "--format",
        "json",
    ];
    let command = ["--", "grep", "-c", "t", &carried];
    let (status, json) = place.json(&[&arguments[..], &command[..]].concat());
    assert_eq!(status, 0, "{json:#}");
    assert!(json["results"].as_array().unwrap().iter().any(|row| row["metric"] == "wall_time"));
    // The hash lets a user check with sha256sum that the same bits ran everywhere.
    let same = json["ledger"]["same"].as_object().unwrap();
    let (fact, value) = same.iter().find(|(fact, _)| fact.starts_with("program:")).unwrap();
    let path = fact.trim_start_matches("program:");
    let sum = std::process::Command::new("sha256sum").arg(path).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert!(sum.len() > 64 && value.as_str().unwrap().starts_with(&sum[..64]), "{path}: {value}, not {sum}");
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));
}

#[test]
fn sysbench_runs_in_a_container_and_its_output_is_decoded() {
    let place = Place::new();
    let test = "sysbench:test=cpu,events=300,time=0";
    let arguments =
        ["compare", "--env", "container", "--blocks", "6", "--workload", test, "--format", "json"];
    let (status, json) = place.json(&arguments);
    assert_eq!(status, 0, "{json:#}");
    let rate = |row: &&Value| row["environment"] == "container" && row["metric"] == "events_per_second";
    let row = json["results"].as_array().unwrap().iter().find(rate).unwrap();
    assert!(row["value"].as_f64().unwrap() > 1.0 && row["blocks"] == 6, "{row:#}");
}

#[test]
fn doctor_lists_every_environment_with_a_version_or_a_reason_and_a_remedy() {
    let place = Place::new();
    let (status, json) = place.json(&["doctor", "--format", "json"]);
    assert_eq!(status, 0);
    let environments = json["environments"].as_array().unwrap();
    for driver in ["native", "container", "docker", "qemu:accel=tcg", "qemu:accel=kvm"] {
        let row = environments
            .iter()
            .find(|row| row["environment"] == driver)
            .unwrap_or_else(|| panic!("{driver}: {json:#}"));
        match row["status"].as_str().unwrap() {
            "available" => assert!(row["version"].is_string(), "{row:#}"),
            "unavailable" => assert!(row["reason"].is_string() && row["remedy"].is_string(), "{row:#}"),
            other => panic!("{other}"),
        }
    }
    assert!(json["host"]["warnings"].is_array() && json["host"]["kernel"].is_string());
    // The mount of the session's folder: a set-user-ID program or a device node must have no effect there.
    let mounted = json["host"]["data-mount"].as_str().unwrap_or_default();
    let expected = if rustix::process::geteuid().is_root() { "nosuid,nodev" } else { "as its file system" };
    assert!(mounted.starts_with(expected), "{mounted:?}");
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn plan_shows_the_order_that_run_follows() {
    let place = Place::new();
    let file = place.write(
        "experiment.toml",
        "environments = [\"container\"]\nblocks = 6\nrepeats = 0\nseed = 3\n[[workload]]\nname = \"cpu\"\nevents = 30\nmax-prime = [500, 1000]\n",
    );
    let file = file.display().to_string();
    let (_, plan) = place.json(&["plan", &file, "--format", "json"]);
    let (status, result) = place.json(&["run", &file, "--format", "json"]);
    assert_eq!(status, 0, "{result:#}");
    let (plan, trials) = (&plan["plan"], result["trials"].as_array().unwrap());
    let order = plan["order"].as_array().unwrap();
    assert_eq!((order.len(), trials.len()), (36, 36));
    for (slot, trial) in order.iter().zip(trials) {
        let condition = &plan["conditions"][usize::try_from(slot["condition"].as_u64().unwrap()).unwrap()];
        assert_eq!(condition["environment"], trial["environment"]);
        assert_eq!(slot["block"], trial["block"]);
    }
}

#[test]
fn the_schema_knows_drivers_and_workloads() {
    let (status, schema) = Place::new().json(&["schema"]);
    assert_eq!(status, 0);
    assert!(schema.to_string().contains("max-prime"));
}
