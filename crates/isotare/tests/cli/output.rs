//! Tests of the output of workloads: any amount needs only a fixed amount of memory, and there is a limit.

#![expect(unsafe_code, reason = "wait4 tells the memory of one child, and no crate here wraps it")]

use crate::place::Place;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

/// `head -c 5G /dev/zero | sha256sum`.
const FIVE_GIB_OF_ZEROS: &str = "7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5";
/// The highest memory in KiB: much more than isotare needs, and a small part of the output.
const MOST_MEMORY: i64 = 256 << 10;

/// Six native trials of a shell script. `$0` is a folder that does not exist at first. The script can make
/// it, and so do something only once.
struct Trials {
    status: Option<i32>,
    report: Value,
    /// The largest resident set of isotare or of a process that it waited for, KiB.
    memory: i64,
}

impl Trials {
    #[expect(clippy::zombie_processes, reason = "wait4 waits for it")]
    fn run(place: &Place, script: &str, options: &[&str]) -> Self {
        let once = place.path("once").display().to_string();
        let arguments = [
            &["compare", "--env", "native", "--no-null", "--blocks", "6", "--repeats", "0"],
            options,
            &["--timeout", "10m", "--format", "json", "--", "/bin/sh", "-c", script, &once],
        ]
        .concat();
        let mut child = place.isotare(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let report = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
        let pid = child.id().try_into().unwrap();
        let mut status = 0;
        // SAFETY: a `rusage` consists of integers, so all zeros are a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers lead to live values of the types that wait4(2) writes. No one has waited for
        // the child yet.
        let ended = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        assert_eq!(ended, pid, "{}", std::io::Error::last_os_error());
        Self { status: ExitStatus::from_raw(status).code(), report, memory: usage.ru_maxrss }
    }

    fn trials(&self) -> &Vec<Value> {
        self.report["trials"].as_array().unwrap()
    }
}

#[test]
fn five_gigabytes_of_output_need_little_memory() {
    let place = Place::new();
    let script = r#"mkdir "$0" 2>/dev/null && exec head -c 5G /dev/zero; true"#;
    let session = Trials::run(&place, script, &[]);
    assert_eq!(session.status, Some(0), "{}", session.report);
    let expected = json!({
        "stdout": { "bytes": 5_u64 << 30, "sha256": FIVE_GIB_OF_ZEROS, "cut": (5_u64 << 30) - (128 << 10) },
        "stderr": {
            "bytes": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "cut": 0,
        },
    });
    assert_eq!(session.trials()[0]["output"], expected);
    assert!(session.memory < MOST_MEMORY, "{} KiB", session.memory);
    assert!(place.path("store.db").metadata().unwrap().len() < 16 << 20, "both ends are kept, not all");
}

#[test]
fn a_workload_that_writes_without_end_fails_and_the_session_goes_on() {
    let place = Place::new();
    let script = r#"mkdir "$0" 2>/dev/null && exec cat /dev/zero; echo done"#;
    let session = Trials::run(&place, script, &["--output-limit", "300M"]);
    assert_eq!(session.status, Some(1), "{}", session.report);
    let outcomes: Vec<&str> =
        session.trials().iter().map(|trial| trial["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, [&["failed"][..], &["completed"; 5]].concat());
    let reason = session.trials()[0]["failure"]["reason"].as_str().unwrap();
    assert!(reason.contains("more than 314572800 bytes") && reason.contains("--output-limit"), "{reason}");
    assert_eq!(session.trials()[1]["output"]["stdout"]["bytes"], 5);
    assert!(session.memory < MOST_MEMORY, "{} KiB", session.memory);
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn kept_output_is_shown_and_removed_with_its_session() {
    let place = Place::new();
    let script = r#"mkdir "$0" 2>/dev/null && exec seq 1000000; echo short"#;
    let session = Trials::run(&place, script, &["--keep-output"]);
    assert_eq!(session.status, Some(0), "{}", session.report);
    assert_eq!(session.trials()[0]["output"]["stdout"]["cut"], 0);
    let output = |trial: &str| place.run(&["store", "output", "last", trial]);
    let numbers: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    assert!(output("0").stdout == numbers.as_bytes());
    assert_eq!(output("1").stdout, b"short\n");
    assert_eq!(output("99").status.code(), Some(2), "there is no such trial");

    let id = session.report["session"].as_str().unwrap();
    let (_, size) = place.json(&["store", "size", "--format", "json"]);
    assert!(size["sessions"][0]["output_bytes"].as_u64().unwrap() > 100_000, "{size}");
    let prune = |arguments: &[&str]| {
        let (code, json) = place.json(&[&["store", "prune", "--format", "json"], arguments].concat());
        assert_eq!(code, 0);
        let sessions = json["sessions"].as_array().unwrap().clone();
        sessions.iter().map(|row| row["result"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(place.run(&["store", "prune"]).status.code(), Some(2), "it does not guess what to remove");
    assert_eq!(prune(&["--older-than", "1d"]), [""; 0]);
    assert_eq!(prune(&["--keep", "1"]), [""; 0]);
    assert_eq!(prune(&["--keep", "0", "--dry-run"]), ["would be removed"]);
    assert_eq!(prune(&[id]), ["removed"]);
    let (_, after) = place.json(&["store", "size", "--format", "json"]);
    assert_eq!(after["sessions"], json!([]));
    assert!(after["bytes"].as_u64() < size["bytes"].as_u64(), "{size} {after}");
    assert_eq!(place.run(&["store", "vacuum"]).status.code(), Some(0));
}
