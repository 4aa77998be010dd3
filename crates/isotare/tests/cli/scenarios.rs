//! Trials with several instances.

use crate::place::{Place, text};
use serde_json::Value;

/// Segments of this host, by the names of their links.
fn segments() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/net").unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("isos")).collect()
}

#[test]
fn a_server_and_its_load_are_measured_over_a_segment() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    for (load, rate) in [("native", None), ("same", Some(400))] {
        let rate_text = rate.map(|rate| format!(",rate={rate}")).unwrap_or_default();
        let workload = format!("tcp-echo:events=100,connections=2,warmup=1ms,load={load}{rate_text}");
        let arguments = ["compare", "-e", "native#b", "-e", "chroot", "-w", &workload, "-n", "6"];
        let rest = ["--repeats", "0", "--no-null", "--format", "json"];
        let (status, session) = place.json(&[&arguments[..], &rest].concat());
        assert_eq!(status, 0, "{session:#}");
        let rows = session["results"].as_array().unwrap();
        let of = |metric: &str| rows.iter().filter(|row| row["metric"] == metric).count();
        assert_eq!((of("latency_p50"), of("events_per_second")), (2, 2), "{session:#}");
        let text = session.to_string();
        for fact in ["part.server.cpus", "part.load.environment", "an address of its own"] {
            assert!(text.contains(fact), "{fact}: {session:#}");
        }
        if let Some(rate) = rate {
            // 100 events that are 2.5 ms apart: the last one is intended to begin after 247.5 ms.
            let measured = session["baseline_values"].as_array().unwrap().iter();
            let per_second = measured
                .filter(|row| row["metric"] == "events_per_second")
                .filter_map(|row| row["value"].as_f64());
            assert!(
                per_second.clone().count() == 1 && per_second.clone().all(|it| it < f64::from(rate) * 1.02)
            );
        }
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn an_environment_without_a_network_of_its_own_is_unsupported_and_the_others_are_measured() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let workload = "tcp-echo:events=30,warmup=1ms";
    let arguments = ["compare", "-e", "ladder:upto=uts", "-w", workload, "-n", "6", "--repeats", "0"];
    let output = place.run(&[&arguments[..], &["--format", "json"]].concat());
    let session: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let ladder = session["trials"].as_array().unwrap().iter().find(|trial| trial["outcome"] == "unsupported");
    let reason = ladder.unwrap_or_else(|| panic!("{session:#}"))["failure"].to_string();
    assert!(reason.contains("server: not supported: it uses the host's network"), "{reason}");
    assert_eq!(place.leftovers(), Vec::<String>::new());
    let own = segments();
    assert!(own.len() <= 64, "segments are removed with their trials: {own:?}");
}
