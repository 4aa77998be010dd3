//! Tests with groups of this machine. They end early if cgroups cannot be written.

use isotare_cgroup::{Hierarchies, Tasks, Version};
use isotare_core::{Budget, CpuSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The group of one test. It is always removed, even if the test fails.
struct Own {
    hierarchies: Hierarchies,
    path: String,
}

impl Own {
    fn new(name: &str) -> Option<Self> {
        let path = format!("isotare-cgroup-test-{}-{name}", std::process::id());
        let hierarchies = Hierarchies::discover().ok()?;
        hierarchies.writable(&path).ok()?;
        Some(Self { hierarchies, path })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.hierarchies.remove_tree(&self.path);
    }
}

/// A shell that waits for a line and then runs `script`.
fn shell(script: &str) -> Child {
    Command::new("sh").args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped()).spawn().expect("sh")
}

#[test]
fn budgets_hold_and_use_is_counted() {
    let Some(own) = Own::new("budget") else { return };
    let budget = Budget { cpus: CpuSet::new([0]).expect("not empty"), memory: 64 << 20, processes: None };
    let path = format!("{}/trial", own.path);
    let group = own.hierarchies.create(&path, Some(&budget)).expect("create");
    own.hierarchies.create(&path, Some(&Budget { memory: 128 << 20, ..budget })).expect("take over");
    let mut child = shell(
        "x=0123456789; for i in 1 2 3 4 5 6 7 8 9 a b c d e f g; do x=$x$x; done; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; read end",
    );
    group.add(child.id()).expect("join");
    assert_eq!(group.processes(), [child.id()]);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("status");
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
    let before = group.stats().cpu_total_ns.expect("CPU time is counted everywhere");
    std::io::Write::write_all(&mut child.stdin.as_ref().expect("piped"), b"go\n").expect("go");
    let deadline = Instant::now() + Duration::from_secs(20);
    while group.stats().cpu_total_ns.expect("still") - before < 10_000_000 {
        assert!(Instant::now() < deadline, "no CPU time was counted");
        std::thread::sleep(Duration::from_millis(5));
    }
    let stats = group.stats();
    assert!(stats.memory_current.is_some_and(|bytes| bytes > 0 && bytes < 64 << 20), "{stats:?}");
    assert!(stats.memory_rss.is_some() && stats.cpu_user_ns.is_some(), "{stats:?}");
    if own.hierarchies.version() == Version::V2 && fs::exists("/proc/pressure/cpu").unwrap_or(false) {
        assert!(stats.pressure_cpu_us.is_some(), "{stats:?}");
    }
    assert!(own.hierarchies.remove_tree(&own.path).expect("remove"));
    assert!(!group.exists());
    assert!(!child.wait().expect("reaped").success(), "it was killed");
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
fn no_more_tasks_than_the_limit_are_there_at_once() {
    const LIMIT: u32 = 20;
    let Some(own) = Own::new("tasks") else { return };
    let cpus = CpuSet::new([0]).expect("not empty");
    let budget = Budget { cpus, memory: 64 << 20, processes: Some(LIMIT) };
    let group = own.hierarchies.create(&format!("{}/trial", own.path), Some(&budget)).expect("create");
    if !own.hierarchies.limits_tasks() {
        println!("skipped: this machine has no controller pids");
        return;
    }
    let limit = u64::from(LIMIT);
    assert_eq!(group.tasks(), Some(Tasks { limit: Some(limit), refused: 0 }));
    let mut child = shell("i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i+1)); done");
    group.add(child.id()).expect("join");
    std::io::Write::write_all(&mut child.stdin.as_ref().expect("piped"), b"go\n").expect("go");
    assert!(!child.wait().expect("reaped").success(), "it started a hundred");
    let left = group.stats().pids_current.expect("counted");
    assert!(left > 0 && left <= limit, "{left} tasks");
    assert!(group.tasks().expect("counted").refused > 0);
}

#[test]
fn a_group_that_a_runtime_makes_below_ours_accepts_processes() {
    let Some(own) = Own::new("below") else { return };
    own.hierarchies.create(&format!("{}/session", own.path), None).expect("create");
    let theirs = own.hierarchies.open(&format!("{}/session/theirs", own.path));
    for file in theirs.procs_files() {
        fs::create_dir(file.parent().expect("a group")).expect("made as gVisor does");
    }
    let mut child = shell("exit 7");
    theirs.add(child.id()).expect("join");
    std::io::Write::write_all(&mut child.stdin.as_ref().expect("piped"), b"go\n").expect("go");
    assert_eq!(child.wait().expect("reaped").code(), Some(7));
}

#[test]
fn removal_kills_processes_that_keep_forking_in_nested_groups() {
    let Some(own) = Own::new("forks") else { return };
    let group = own.hierarchies.create(&format!("{}/a/b", own.path), None).expect("create");
    let mut child = shell("while :; do (sleep 30 & sleep 0.01 & wait) & sleep 0.002; done");
    group.add(child.id()).expect("join");
    std::io::Write::write_all(&mut child.stdin.as_ref().expect("piped"), b"go\n").expect("go");
    let deadline = Instant::now() + Duration::from_secs(20);
    while group.processes().len() < 10 {
        assert!(Instant::now() < deadline, "it does not fork");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(own.hierarchies.remove_tree(&own.path).expect("remove"));
    assert!(!own.hierarchies.open(&own.path).exists());
    assert!(!own.hierarchies.remove_tree(&own.path).expect("idempotent"));
    child.wait().expect("reaped");
}

#[test]
fn removal_kills_processes_that_are_in_a_single_hierarchy() {
    let Some(own) = Own::new("one") else { return };
    let group = own.hierarchies.create(&format!("{}/one", own.path), None).expect("create");
    let file = group.procs_files().pop().expect("some hierarchy");
    let was = fs::read_to_string("/proc/self/cgroup").expect("own groups");
    let mut child = shell("read end");
    fs::write(&file, child.id().to_string()).expect("join");
    assert!(own.hierarchies.remove_tree(&own.path).expect("remove"), "a process in one hierarchy counts");
    assert!(!child.wait().expect("reaped").success());
    assert_eq!(was, fs::read_to_string("/proc/self/cgroup").expect("own groups"));
}
