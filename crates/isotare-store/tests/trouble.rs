//! Tests that every recorded trial is kept if a session is killed or the disk is full.

mod support;

use isotare_core::with_sources;
use isotare_store::{Store, StoreError};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{session, trial};

/// The variable with the file that the child of [`a_killed_session_keeps_its_trials`] writes.
const CHILD: &str = "ISOTARE_TEST_CHILD";

#[test]
fn a_killed_session_keeps_its_trials() {
    let folder = tempfile::tempdir().expect("folder");
    for round in 0_u64..12 {
        let path = folder.path().join(format!("{round}.db"));
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child_records_until_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("spawned");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        // Lets the child record some trials, and then kills it at an arbitrary moment.
        let mut told = lines.by_ref().filter_map(recorded).nth(3).expect("records");
        std::thread::sleep(Duration::from_micros(round * 731));
        child.kill().expect("killed");
        child.wait().expect("reaped");
        told = lines.filter_map(recorded).last().unwrap_or(told);

        let record = Store::open(&path).expect("opens after the kill").load("last").expect("loads");
        assert_eq!(record.end, None);
        let kept = u32::try_from(record.trials.len()).expect("few");
        assert!(kept == told + 1 || kept == told + 2, "{kept} trials kept, {} told", told + 1);
        assert_eq!(record.trials, (0..kept).map(|index| trial(index, 100)).collect::<Vec<_>>());
    }
}

fn recorded(line: String) -> Option<u32> {
    line.strip_prefix("recorded ")?.parse().ok()
}

/// This is not a test: [`a_killed_session_keeps_its_trials`] starts it and kills it.
#[test]
fn child_records_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut store = Store::open(Path::new(&path)).expect("opens");
    store.begin(&session("killed", "1")).expect("begins");
    let mut out = std::io::stdout();
    for index in 0.. {
        store.record("killed", &trial(index, 100)).expect("recorded");
        // Begins a new line, because the test harness also writes to this output.
        writeln!(out, "\nrecorded {index}").and_then(|()| out.flush()).expect("told");
    }
}

/// A file system of 1 MiB, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Path) -> Result<Self, String> {
        use rustix::mount::{MountFlags, mount};
        let options = c"size=1m";
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), options).map_err(|error| error.to_string())?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::empty());
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn a_full_disk_loses_only_what_does_not_fit() {
    let folder = tempfile::tempdir().expect("folder");
    let small = match Small::mount(folder.path()) {
        Ok(small) => small,
        Err(error) => {
            eprintln!("skipped: cannot mount a small file system: {error}");
            return;
        }
    };
    let path = folder.path().join("isotare.db");
    let mut store = Store::open(&path).expect("opens");
    store.begin(&session("full", "1")).expect("begins");
    let mut kept = 0;
    let error = loop {
        match store.record("full", &trial(kept, 100)) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 10_000, "the disk never fills");
    };
    assert!(matches!(error, StoreError::Access { .. }), "{error}");
    assert!(with_sources(&error).ends_with("isotare.db: the disk is full"), "{error}");
    assert!(error.remedy().starts_with("free some space"), "{error}");
    assert!(kept > 10, "{kept}");
    let expected: Vec<_> = (0..kept).map(|index| trial(index, 100)).collect();
    assert_eq!(store.load("last").expect("still readable").trials, expected);
    // The same store works again when there is space.
    rustix::mount::mount_remount(&small.0, rustix::mount::MountFlags::empty(), c"size=8m").expect("grown");
    store.record("full", &trial(kept, 100)).expect("recorded");
    drop(store);
    assert_eq!(
        Store::open(&path).expect("opens").load("last").expect("loads").trials.len(),
        expected.len() + 1
    );
}
