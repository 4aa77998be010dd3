//! Tests of sessions that end early: by an interrupt, by a signal, or because of a full disk.

use crate::place::{Place, text};
use serde_json::Value;
use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A running session: its process and its id.
#[expect(
    clippy::zombie_processes,
    reason = "every caller waits in `end`; a test that fails before ends with its process"
)]
pub(crate) fn under_way(place: &Place, environment: &str) -> (Child, String) {
    let arguments = [
        "compare",
        "--env",
        environment,
        "--workload",
        "cpu:time=400ms",
        "--blocks",
        "50",
        "--format",
        "json",
    ];
    let child = place.isotare(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    loop {
        let sessions = std::fs::read_dir(place.path("state")).into_iter().flatten().flatten();
        let busy = sessions.map(|entry| entry.path()).find(|folder| folder.join("t2").exists());
        if let Some(folder) = busy {
            return (child, folder.file_name().unwrap().to_string_lossy().into_owned());
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no trial begins");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn end(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn an_interrupt_reports_what_is_done_and_leaves_nothing() {
    let place = Place::new();
    let (child, session) = under_way(&place, "container");
    signal(&child, rustix::process::Signal::INT);
    let (status, said) = end(child);
    assert_eq!(status, Some(130), "{said}");
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["session"], session.as_str());
    assert!(json["trials"].as_array().unwrap().iter().any(|trial| trial["outcome"] == "completed"));
    assert_eq!(place.leftovers(), Vec::<String>::new());
    assert!(Place::cgroups(&session).is_empty());
}

#[test]
fn clean_removes_what_a_killed_session_left() {
    let place = Place::new();
    let (child, session) = under_way(&place, "container");
    let is_ours = place.run(&["clean"]);
    assert!(
        text(&is_ours).contains("no interrupted session"),
        "a running session is not cleaned: {}",
        text(&is_ours)
    );
    signal(&child, rustix::process::Signal::KILL);
    end(child);
    // Its processes notice the closed connection themselves.
    let mut said = String::new();
    let started = Instant::now();
    loop {
        let cleaned = place.run(&["clean"]);
        assert!(cleaned.status.success(), "{}", text(&cleaned));
        said.push_str(&text(&cleaned));
        if place.leftovers().is_empty() && Place::cgroups(&session).is_empty() {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{:?} {:?}",
            place.leftovers(),
            Place::cgroups(&session)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(said.contains("file or folder /") && !said.contains('{'), "what was removed, in words: {said}");
    let kept = place.json(&["report", &session, "--format", "json"]).1;
    assert!(!kept["trials"].as_array().unwrap().is_empty(), "what was measured is kept");
}

#[test]
fn a_full_disk_ends_the_session_with_what_was_measured() {
    if !rustix::process::geteuid().is_root() {
        return isotare_testkit::tally::tell("skipped the full disk: mounting one needs root");
    }
    let place = Place::new();
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let options = c"size=600k";
    rustix::mount::mount("tmpfs", &disk, "tmpfs", rustix::mount::MountFlags::empty(), options).unwrap();
    let output = place
        .isotare(&[
            "compare",
            "--workload",
            "cpu:events=10,warmup=1ms",
            "--env",
            "native#b",
            "--blocks",
            "500",
        ])
        .env("ISOTARE_STORE", disk.join("store.db"))
        .output();
    rustix::mount::unmount(&disk, rustix::mount::UnmountFlags::DETACH).unwrap();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    assert!(text(&output).contains("full") && text(&output).contains("cpu"), "{}", text(&output));
    assert_eq!(place.leftovers(), Vec::<String>::new());
}
