//! Tests of watching processes, with real ones and with an invented `/proc`. One of them shows that reading
//! known processes allocates no memory.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use isotare_core::Timestamp;
use isotare_samplers::{Scope, Wanted, Watch};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all arguments are passed to the system's allocator unchanged. The count belongs to one thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller follows the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller follows the rules of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn shell(script: &str) -> Ended {
    Ended(Command::new("sh").args(["-c", script]).spawn().unwrap())
}

fn now() -> Timestamp {
    thread_local!(static BEGAN: Instant = Instant::now());
    Timestamp(u64::try_from(BEGAN.with(Instant::elapsed).as_nanos()).unwrap())
}

const EVERYTHING: Wanted = Wanted { io: true, switches: true, threads: false, idle: true };

#[test]
fn a_busy_process_is_distinguished_from_a_sleeping_one() {
    let (busy, asleep) = (shell("while :; do :; done"), shell("sleep 60"));
    let pids = vec![asleep.0.id(), busy.0.id()];
    let mut watch = Watch::new(Path::new("/"), Scope::Processes(pids), EVERYTHING).unwrap();
    watch.read(now());
    assert!(watch.tasks().all(|task| task.activity().is_none()), "nothing is known of the time before");
    let began = Instant::now();
    // Waits until it has used three ticks, however long this takes.
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", busy.0.id())).unwrap();
        stat.rsplit(')')
            .next()
            .unwrap()
            .split(' ')
            .skip(12)
            .take(2)
            .map(|t| t.parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let before = ticks();
    while ticks() < before + 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let elapsed = began.elapsed();
    watch.read(now());
    let of = |child: &Ended| watch.tasks().find(|task| task.pid == child.0.id()).unwrap();
    let (busy, asleep) = (of(&busy).activity().unwrap(), of(&asleep).activity().unwrap());
    assert!(busy.user + busy.system >= 2 && !busy.is_idle(), "{busy:?}");
    assert!(asleep.user + asleep.system <= 1 && asleep.rss_pages > 0, "{asleep:?}");
    assert!(asleep.switches.is_some() && asleep.io.is_some());
    assert!(busy.interval >= elapsed);
}

#[test]
fn new_and_ended_processes_and_threads_are_seen() {
    let mut watch =
        Watch::new(Path::new("/"), Scope::All, Wanted { threads: true, ..Wanted::default() }).unwrap();
    watch.read(now());
    let child = shell("sleep 60");
    let pid = child.0.id();
    let is_there = |watch: &Watch| watch.tasks().filter(|task| task.pid == pid).count();
    watch.read(now());
    assert_eq!(is_there(&watch), 2, "itself and its thread");
    drop(child);
    watch.read(now());
    assert_eq!(is_there(&watch), 0);
    let own = watch.tasks().filter(|task| task.pid == std::process::id() && task.tid.is_some()).count();
    assert!(own > 1, "the test's own threads");
}

#[test]
fn without_run_times_every_task_is_read() {
    let root = tempfile::tempdir().unwrap();
    let stat = |user: u32| {
        format!(
            "7 (a b) S 1 0 0 0 -1 0 0 0 0 0 {user} 0 0 0 20 0 1 0 9 4096 10 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
        )
    };
    let put = |user: u32| {
        fs::create_dir_all(root.path().join("proc/7")).unwrap();
        fs::write(root.path().join("proc/7/stat"), stat(user)).unwrap();
    };
    put(5);
    let mut watch = Watch::new(root.path(), Scope::All, EVERYTHING).unwrap();
    watch.read(Timestamp(0));
    put(9);
    watch.read(Timestamp(1_000_000_000));
    let task = watch.tasks().next().unwrap();
    let activity = task.activity().unwrap();
    assert_eq!((task.name.as_str(), activity.user, activity.rss_pages, activity.cpu), ("a b", 4, 10, 1));
    assert_eq!((activity.io, activity.switches), (None, None), "what cannot be read is absent");
    put(10);
    watch.read(Timestamp(3_000_000_000));
    let all = watch.tasks().next().unwrap().since_first().unwrap();
    assert_eq!((all.user, all.interval), (5, Duration::from_secs(3)));
    fs::remove_dir_all(root.path().join("proc/7")).unwrap();
    watch.read(Timestamp(4_000_000_000));
    assert_eq!(watch.tasks().count(), 0);
}

#[test]
fn reading_known_tasks_allocates_no_memory() {
    let children: Vec<Ended> = (0..20).map(|_| shell("sleep 60")).collect();
    let busy = shell("while :; do :; done");
    let pids = children.iter().chain([&busy]).map(|child| child.0.id()).collect();
    let mut watch = Watch::new(Path::new("/"), Scope::Processes(pids), EVERYTHING).unwrap();
    watch.read(now());
    watch.read(now());
    let before = ALLOCATIONS.get();
    for _ in 0..50 {
        watch.read(now());
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
