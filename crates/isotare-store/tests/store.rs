//! Tests that a store returns what was written, and explains errors of other files.

mod support;

use isotare_core::*;
use isotare_protocol::{ClockPair, Interval, Observation};
use isotare_store::{Store, StoreError, VERSION};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{
    session, session_of_version_1, session_of_version_2, session_of_version_3, trial, trial_of_version_1,
};

fn store(folder: &Path) -> Store {
    Store::open(&folder.join("some/where/isotare.db")).expect("opens")
}

/// The message of an error, its causes and its remedy.
fn said(error: &StoreError) -> String {
    assert!(!with_sources(error).contains(error.remedy()), "{error}");
    format!("{}; {}", with_sources(error), error.remedy())
}

#[test]
fn a_session_is_given_back_as_it_was() {
    let folder = tempfile::tempdir().expect("folder");
    let session = session("2026-01-01-aaaa", "2026-01-01T00:00:00Z");
    let trials: Vec<Trial> = (0..8).map(|index| trial(index, 20)).collect();
    let mut store = store(folder.path());
    store.begin(&session).expect("begins");
    for trial in trials.iter().rev() {
        store.record(&session.id, trial).expect("recorded");
    }
    let record = store.load("last").expect("loads");
    assert_eq!((&record.session, &record.trials, record.end), (&session, &trials, None));
    store.finish(&session.id, SessionEnd::TimeLimit).expect("finishes");
    drop(store);

    let path = folder.path().join("some/where/isotare.db");
    let names = std::fs::read_dir(path.parent().expect("parent")).expect("folder").count();
    assert_eq!(names, 1, "no log is left beside a closed store");
    for store in [Store::open(&path).expect("opens"), Store::open_to_read(&path).expect("opens")] {
        let record = store.load("2026").expect("loads");
        assert_eq!((record.session, record.trials), (session.clone(), trials.clone()));
        assert_eq!(record.end, Some(SessionEnd::TimeLimit));
    }
}

#[test]
fn sessions_are_listed_newest_first_and_found_by_prefix() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = store(folder.path());
    assert!(matches!(store.load("last"), Err(StoreError::NoSession { .. })));
    for (id, started) in [("b-1", "2026-01-02"), ("a-1", "2026-01-01"), ("a-10", "2026-01-03"), ("%", "2025")]
    {
        store.begin(&session(id, started)).expect("begins");
    }
    store.record("a-1", &trial(0, 1)).expect("recorded");
    store.record("a-1", &trial(4, 1)).expect("recorded");
    store.finish("a-1", SessionEnd::Complete).expect("finishes");
    let list = store.sessions().expect("lists");
    assert_eq!(
        list.iter().map(|summary| summary.id.as_str()).collect::<Vec<_>>(),
        ["a-10", "b-1", "a-1", "%"]
    );
    assert_eq!((list[2].trials, list[2].completed, list[2].end), (2, 1, Some(SessionEnd::Complete)));
    assert_eq!((list[0].trials, list[0].end), (0, None));
    assert_eq!(list[0].conditions, session("a-10", "").plan.conditions);

    let found = |asked: &str| store.load(asked).map(|record| record.session.id);
    assert_eq!(found("last").expect("found"), "a-10");
    assert_eq!(found("a-1").expect("an exact id wins over a prefix"), "a-1");
    assert_eq!(found("b").expect("found"), "b-1");
    assert_eq!(found("%").expect("found"), "%");
    let text = |asked: &str| said(&found(asked).expect_err(asked));
    assert!(text("a").ends_with("could be any of a-10, a-1; write more of its name"), "{}", text("a"));
    assert!(text("c").ends_with("the newest sessions are a-10, b-1, a-1, %"), "{}", text("c"));
    assert!(found("").is_err());
}

#[test]
fn a_removed_session_leaves_no_rows() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = store(folder.path());
    for id in ["keep", "drop"] {
        store.begin(&session(id, id)).expect("begins");
        for index in 0..50 {
            store.record(id, &trial(index, 50)).expect("recorded");
        }
        store.finish(id, SessionEnd::Complete).expect("finishes");
    }
    let path = store.path().to_owned();
    let full = std::fs::metadata(&path).expect("size").len();
    assert_eq!(store.remove("dr").expect("removed"), "drop");
    assert!(matches!(store.remove("drop"), Err(StoreError::NoSession { .. })));
    assert_eq!(store.load("keep").expect("loads").trials.len(), 50);
    store.vacuum().expect("shrinks");
    drop(store);
    assert!(std::fs::metadata(&path).expect("size").len() < full * 3 / 4);
    let connection = rusqlite::Connection::open(&path).expect("opens");
    for table in ["trial", "phase", "sample", "reading", "observation", "interval"] {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE {} NOT IN (SELECT number FROM trial)",
            if table == "trial" { "number" } else { "trial" }
        );
        assert_eq!(connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect(table), 0, "{table}");
    }
    assert_eq!(
        connection.query_row("SELECT count(*) FROM trial", [], |row| row.get::<_, i64>(0)).expect("n"),
        50
    );
}

#[test]
fn complete_output_is_stored_and_removed_with_its_session() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = store(folder.path());
    store.begin(&session("a", "2026-01-01T00:00:00Z")).expect("begins");
    store.record("a", &trial(0, 1)).expect("recorded");
    let file = |bytes: &[u8]| {
        let file = tempfile::tempfile().expect("a file");
        zstd::stream::copy_encode(bytes, &file, 1).expect("compressed");
        file
    };
    // Three pieces of a megabyte that zstd cannot compress.
    let mut seed = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    })
    .take(5 << 19)
    .collect();
    store.keep_output("a", 0, [&file(&noise), &file(b"")]).expect("kept");
    let read = |store: &Store, trial, stream| {
        let mut out = Vec::new();
        let is_kept = store.write_output("a", trial, stream, &mut out).expect("reads").expect("zstd");
        is_kept.then_some(out)
    };
    assert!(read(&store, 0, "stdout").expect("kept") == noise, "as it was");
    assert_eq!(read(&store, 0, "stderr"), Some(Vec::new()));
    assert_eq!(read(&store, 1, "stdout"), None);
    let usage = store.usage().expect("usage");
    assert!(usage.output["a"] > 2 << 20 && usage.file > usage.output["a"], "{usage:?}");
    assert_eq!(store.older_than(3600).expect("lists"), ["a"]);
    assert!(store.older_than(u64::MAX >> 1).expect("lists").is_empty());
    store.remove("a").expect("removed");
    assert!(store.usage().expect("usage").free > 2 << 20, "pages of the output are free");
    store.vacuum().expect("shrinks");
    let usage = store.usage().expect("usage");
    assert!(usage.file < 1 << 20 && usage.free == 0, "{usage:?}");
}

#[test]
fn nothing_is_written_twice_or_without_a_session() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = store(folder.path());
    store.begin(&session("a", "1")).expect("begins");
    store.record("a", &trial(0, 3)).expect("recorded");
    let text = |result: Result<(), StoreError>| result.expect_err("refused").to_string();
    assert!(text(store.begin(&session("a", "2"))).ends_with("session a exists already"));
    assert!(text(store.record("a", &trial(0, 3))).ends_with("trial 0 of a exists already"));
    assert!(text(store.record("b", &trial(0, 3))).contains("no session 'b'"));
    assert!(text(store.finish("b", SessionEnd::Complete)).contains("no session 'b'"));
    assert_eq!(store.load("a").expect("loads").trials, [trial(0, 3)]);
}

#[test]
fn the_log_of_a_session_is_stored_and_removed_with_it() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = store(folder.path());
    store.begin(&session("a", "1")).expect("begins");
    store.begin(&session("b", "2")).expect("begins");
    let at = |ms| std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms);
    store.log("a", &[(at(1_700_000_000_123), "first\nof two lines".to_owned())]).expect("kept");
    store.log("a", &[(at(1_700_000_001_000), "second".to_owned())]).expect("kept");
    store.log("b", &[]).expect("nothing to keep");
    let lines = store.read_log("a").expect("reads");
    let texts: Vec<(&str, &str)> = lines.iter().map(|line| (line.at.as_str(), line.line.as_str())).collect();
    assert_eq!(
        texts,
        [("2023-11-14T22:13:20.123Z", "first\nof two lines"), ("2023-11-14T22:13:21.000Z", "second")]
    );
    assert_eq!(store.read_log("b").expect("reads"), []);
    assert!(store.log("c", &[(at(0), String::new())]).is_err() && store.read_log("c").is_err());
    store.remove("a").expect("removed");
    store.begin(&session("a", "3")).expect("begins again");
    assert_eq!(store.read_log("a").expect("reads"), []);
}

#[test]
fn several_processes_can_write_and_read_at_the_same_time() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("isotare.db");
    let write = |id: &'static str, path: std::path::PathBuf| {
        move || {
            let mut store = Store::open(&path).expect("opens");
            store.begin(&session(id, id)).expect("begins");
            (0..100).for_each(|index| store.record(id, &trial(index, 10)).expect("recorded"));
        }
    };
    let writers = ["a", "b", "c"].map(|id| std::thread::spawn(write(id, path.clone())));
    for writer in writers {
        writer.join().expect("no writer failed");
    }
    let store = Store::open_to_read(&path).expect("opens");
    for id in ["a", "b", "c"] {
        let trials = store.load(id).expect("loads").trials;
        assert_eq!(trials, (0..100).map(|index| trial(index, 10)).collect::<Vec<_>>());
    }
}

#[test]
fn committed_files_of_every_version_are_understood() {
    type Made = (fn(&str, &str) -> Session, fn(u32, u64) -> Trial);
    let made: [Made; 4] = [
        (session_of_version_1, trial_of_version_1),
        (session_of_version_2, trial),
        (session_of_version_3, trial),
        (session, trial),
    ];
    assert_eq!(i64::try_from(made.len()), Ok(VERSION));
    for (version, (session, trial)) in (1..).zip(made) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("old.db");
        let committed = format!("{}/tests/fixtures/version-{version}.db", env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(committed, &path).expect("copied");
        let record = Store::open(&path).expect("opens").load("last").expect("loads");
        assert_eq!(record.session, session("2026-01-01T00-00-00Z-fixture", "2026-01-01T00:00:00Z"));
        assert_eq!(record.trials, (0..6).map(|index| trial(index, 5)).collect::<Vec<_>>());
        assert_eq!(record.end, Some(SessionEnd::Complete));
        assert_eq!(record.session.plan.budget.processes, None, "both are from before there was a limit");
        let kept = Store::open(&path).expect("opens again").load("last").expect("loads again");
        assert_eq!(kept.trials, record.trials, "version {version} is brought up to date once");
    }
}

/// Makes the committed file. Run it only for a new version of the schema, whose number is part of the name.
#[test]
#[ignore = "writes tests/fixtures/version-N.db"]
fn write_fixture() {
    let path = format!("{}/tests/fixtures/version-{VERSION}.db", env!("CARGO_MANIFEST_DIR"));
    assert!(!Path::new(&path).exists(), "a committed file never changes");
    let mut store = Store::open(path.as_ref()).expect("opens");
    let session = session("2026-01-01T00-00-00Z-fixture", "2026-01-01T00:00:00Z");
    store.begin(&session).expect("begins");
    (0..6).for_each(|index| store.record(&session.id, &trial(index, 5)).expect("recorded"));
    store.finish(&session.id, SessionEnd::Complete).expect("finishes");
}

#[test]
fn files_that_are_not_a_store_are_refused_and_not_changed() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    let refused = |name: &str| {
        let error = said(&Store::open(&at(name)).expect_err(name));
        assert!(error.contains(name), "{error}");
        assert!(Store::open_to_read(&at(name)).is_err());
        error
    };
    std::fs::write(
        at("text"),
        "no database at all, but longer than a header of one hundred bytes ".repeat(9),
    )
    .expect("written");
    let before = std::fs::read(at("text")).expect("read");
    assert!(refused("text").contains("it is not a database; use another file"));
    assert_eq!(std::fs::read(at("text")).expect("read"), before);

    let foreign = rusqlite::Connection::open(at("foreign")).expect("opens");
    foreign.execute_batch("CREATE TABLE a (x); PRAGMA user_version = 3").expect("written");
    drop(foreign);
    let before = std::fs::read(at("foreign")).expect("read");
    assert!(refused("foreign").contains("a database of another program"));
    assert_eq!(std::fs::read(at("foreign")).expect("read"), before);

    drop(Store::open(&at("newer")).expect("opens"));
    let newer = rusqlite::Connection::open(at("newer")).expect("opens");
    newer.pragma_update(None, "user_version", 99).expect("written");
    drop(newer);
    let error = refused("newer");
    assert!(
        error.contains(&format!(
            "version 99, but this isotare supports only versions up to {VERSION}; use a newer"
        )),
        "{error}"
    );

    std::fs::create_dir(at("folder")).expect("made");
    assert!(refused("folder").contains("it is a folder"));
    std::fs::write(at("file"), "").expect("written");
    let error = Store::open(&at("file").join("x.db")).expect_err("refused");
    let (why, error) = (error.source().map(ToString::to_string), said(&error));
    assert!(why.is_some_and(|why| error.matches(&why).count() == 1), "{error}");
    assert!(
        error.contains("make the folder of store") && error.contains("use a file in a folder"),
        "{error}"
    );
}

#[test]
fn a_damaged_row_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let mut store = store(folder.path());
    store.begin(&session("a", "1")).expect("begins");
    store.record("a", &trial(0, 3)).expect("recorded");
    let other = rusqlite::Connection::open(store.path()).expect("opens");
    other.execute_batch("UPDATE trial SET outcome = 'splendid'").expect("edited");
    let error = store.load("a").expect_err("refused");
    assert!(matches!(&error, StoreError::Damaged { source, .. } if source.to_string().contains("splendid")));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn a_read_only_file_can_be_read() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("isotare.db");
    let mut store = Store::open(&path).expect("opens");
    store.begin(&session("a", "1")).expect("begins");
    store.record("a", &trial(0, 3)).expect("recorded");
    drop(store);
    let mode = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode & 0o666)).expect("set");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).expect("set");
    };
    mode(0o555);
    if std::fs::File::options().append(true).open(&path).is_ok() {
        mode(0o755);
        eprintln!("skipped: root may write everywhere");
        return;
    }
    let write = Store::open(&path).map(drop);
    let read = Store::open_to_read(&path).and_then(|store| store.load("a"));
    mode(0o755);
    let error = said(&write.expect_err("refused"));
    assert!(error.contains("it is read-only; make file and folder writable"), "{error}");
    assert_eq!(read.expect("loads").trials, [trial(0, 3)]);
}

fn role() -> impl Strategy<Value = Option<Role>> {
    prop::option::of(prop::sample::select(Role::ALL.to_vec()))
}

fn number() -> impl Strategy<Value = f64> {
    prop::num::f64::POSITIVE
        | prop::num::f64::NEGATIVE
        | prop::num::f64::NORMAL
        | prop::num::f64::ZERO
        | prop::num::f64::INFINITE
}

prop_compose! {
    fn sample()(
        name in ".{0,8}",
        unit in ".{0,4}",
        up: bool,
        headline: bool,
        source in prop::sample::select(&MeasuredBy::ALL[..]),
        role in role(),
        value in number(),
    ) -> Sample {
        let better = if up { Better::Higher } else { Better::Lower };
        let metric = MetricDef { name: name.into(), unit: unit.into(), better, headline };
        Sample { metric, source, role, value }
    }
}

prop_compose! {
    fn reading()(at: u64, metric in "[a-c]{1,2}", role in role(), value in number()) -> Reading {
        Reading { at: Timestamp(at), metric: metric.into(), role, value }
    }
}

prop_compose! {
    fn phase()(which in 0_usize..6, mark in prop::option::of(".{0,8}"), at_ns: u64, took_ns: u64) -> PhaseTime {
        let phases = [Phase::Create, Phase::Start, Phase::Ready, Phase::Exec, Phase::Stop, Phase::Delete];
        PhaseTime { phase: phases[which], mark, at_ns, took_ns }
    }
}

prop_compose! {
    fn observation()(times: [u64; 4], memory_available: Option<u64>) -> Observation {
        let [at_ns, user_ns, system_ns, steal_ns] = times;
        Observation { at_ns, user_ns, system_ns, steal_ns, memory_available }
    }
}

prop_compose! {
    fn lists()(
        phases in prop::collection::vec(phase(), 0..8),
        samples in prop::collection::vec(sample(), 0..8),
        readings in prop::collection::vec(reading(), 0..20),
        observations in prop::collection::vec(observation(), 0..4),
        intervals in prop::collection::vec((any::<u64>(), any::<u64>()), 0..4),
        facts in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..4),
    ) -> (Vec<PhaseTime>, Vec<Sample>, Vec<Reading>, Vec<Observation>, Vec<Interval>, BTreeMap<String, String>) {
        let intervals = intervals.into_iter().map(|(at_ns, events)| Interval { at_ns, events }).collect();
        (phases, samples, readings, observations, intervals, facts)
    }
}

prop_compose! {
    fn canary()(parts in [prop::num::f64::NORMAL, prop::num::f64::NORMAL, prop::num::f64::NORMAL]) -> Canary {
        let [integer, memory, waited] = parts;
        Canary { integer, memory, waited }
    }
}

prop_compose! {
    fn noise()(
        canaries in [canary(), canary(), canary()],
        counted in prop::array::uniform6(prop::option::of(prop::num::f64::NORMAL)),
        throttled: Option<(u32, u32)>,
    ) -> Noise {
        let [reference, before, after] = canaries;
        let [pressure_cpu, pressure_memory, pressure_io, steal, run_delay, major_faults] = counted;
        let host = HostNoise { pressure_cpu, pressure_memory, pressure_io, steal, run_delay, major_faults };
        let throttled = throttled.map(|(n, us)| Throttled { periods: n.into(), time: f64::from(us) / 1e6 });
        Noise { reference, before, after, host, throttled }
    }
}

prop_compose! {
    fn any_trial()(
        numbers: (u32, usize, u64),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
        failure in prop::option::of((".{0,20}", ".{0,20}")),
        lists in lists(),
        latency: Option<Vec<u8>>,
        clock: Option<([u64; 6], Vec<[u64; 3]>)>,
        noise in prop::option::of(noise()),
        output: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Trial {
        let (block, condition, at_ns) = numbers;
        let (phases, samples, readings, observations, intervals, facts) = lists;
        let pair = |ns: &[u64]| ClockPair { asked_ns: ns[0], agent_ns: ns[1], answered_ns: ns[2] };
        Trial {
            index: 0, block, condition, at_ns, outcome,
            failure: failure.map(|(reason, diagnostics)| Failure { reason, diagnostics }),
            phases, samples, readings, observations, intervals, latency,
            clock: clock.map(|(ns, during)| ClockCheck {
                before: pair(&ns[..3]),
                during: during.iter().map(|ns| pair(ns)).collect(),
                after: pair(&ns[3..]),
            }),
            noise, facts,
            output: output.map(|(stdout, stderr)| Streams {
                stdout: Captured::of(&stdout),
                stderr: Captured::of(&stderr),
            }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_trial_is_given_back_as_it_was(trials in prop::collection::vec(any_trial(), 1..4)) {
        let folder = tempfile::tempdir().expect("folder");
        let mut store = store(folder.path());
        store.begin(&session("a", "1")).expect("begins");
        let trials: Vec<Trial> = (0..).zip(trials).map(|(index, trial)| Trial { index, ..trial }).collect();
        for trial in &trials {
            store.record("a", trial).expect("recorded");
        }
        prop_assert_eq!(store.load("a").expect("loads").trials, trials);
    }
}
