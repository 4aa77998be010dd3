//! Tests of the runner with drivers that follow scripts: every way in which a trial can end, and what is left
//! afterwards.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use isotare_core::{
    Budget, Captured, CpuSet, Driver, Gate, Interrupt, KEPT_END, Outcome, Plan, SessionEnd, Settings, Trial,
    with_sources,
};
use isotare_host::SessionState;
use isotare_plan::{Blocks, Design, plan};
use isotare_runner::{Bench, Event, Places, Sink, SinkError, Work};
use isotare_testkit::fake::{FakeDriver, FakeWorkload, Script};
use std::collections::BTreeMap;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::Ordering;

#[derive(Default)]
struct Kept {
    trials: Vec<Trial>,
    stop_after: Option<(usize, Interrupt)>,
    full_after: Option<usize>,
    /// Whether only the baseline is observed.
    unobserved: bool,
    /// The number of bytes of output that the decoder needs.
    output_needed: usize,
    /// The complete standard output of each trial, if it is kept.
    whole: Vec<Vec<u8>>,
    /// Whether the caller wants interim results.
    watched: bool,
    /// The number of finished trials at each interim result.
    interim: Vec<usize>,
}

impl Sink for Kept {
    fn event(&mut self, event: &Event<'_>) -> Result<(), SinkError> {
        if let Event::Ended { trial, whole } = event {
            if let Some(whole) = whole {
                let mut stdout = &whole.stdout;
                stdout.rewind().unwrap();
                self.whole.push(zstd::decode_all(stdout).unwrap());
            }
            self.trials.push((*trial).clone());
            if let Some((after, interrupt)) = &self.stop_after
                && self.trials.len() == *after
            {
                interrupt.raise();
            }
            if self.full_after == Some(self.trials.len()) {
                return Err(SinkError("no space left".into()));
            }
        }
        if let Event::Interim { estimates } = event {
            assert_eq!(estimates.len(), 1);
            assert!((estimates[0].cost - 2.0).abs() < 0.01, "{estimates:?}");
            self.interim.push(self.trials.len());
        }
        Ok(())
    }

    fn is_watched(&self) -> bool {
        self.watched
    }
}

/// A plan with six blocks, of which none is repeated.
fn six(design: Design) -> Plan {
    plan(&Design { blocks: Blocks::exactly(6), repeats: 0.0, ..design }).unwrap()
}

fn two(name: &str) -> Design {
    let budget = Budget { cpus: CpuSet::new([0]).unwrap(), memory: 1 << 20, processes: Some(1024) };
    Design {
        environments: vec!["native".parse().unwrap(), name.parse().unwrap()],
        workloads: vec!["fake".parse().unwrap()],
        null_test: false,
        timeout: 0.2,
        ..Design::new(budget, 7)
    }
}

/// For work that takes different times on different machines.
fn patient() -> Design {
    Design { timeout: 600.0, ..two("other") }
}

/// Runs six blocks of a driver that works and of one that follows `script`.
fn run(script: Script, kept: Kept) -> (Kept, Result<SessionEnd, String>, &'static FakeDriver) {
    execute(&six(two("other")), script, kept)
}

/// Runs a plan of a driver that works and of one that follows `script`.
fn execute(
    plan: &Plan,
    script: Script,
    mut kept: Kept,
) -> (Kept, Result<SessionEnd, String>, &'static FakeDriver) {
    let good: &'static &'static FakeDriver =
        Box::leak(Box::new(&*Box::leak(Box::new(FakeDriver::new("native", Script::Works(1_000))))));
    let other: &'static &'static FakeDriver =
        Box::leak(Box::new(&*Box::leak(Box::new(FakeDriver::new("other", script)))));
    let works = plan
        .conditions
        .iter()
        .map(|condition| {
            let driver: &'static dyn Driver =
                if condition.environment.driver == "native" { good } else { other };
            Work {
                driver: (driver, Settings::check("fake", driver.settings(), []).unwrap()),
                workload: Box::new(FakeWorkload { output_needed: kept.output_needed }),
                settings: Settings::default(),
                fixed: Vec::new(),
                is_observed: !kept.unobserved || condition.environment.driver == "native",
            }
        })
        .collect();
    let root = tempfile::tempdir().unwrap();
    let state = SessionState::create(&root.path().join("state"), "s").unwrap();
    let work = root.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let cache = isotare_image::Cache::new(&work);
    let places =
        Places { state: &state, session: "s", work: &work, agent: Path::new("/bin/true"), cache: &cache };
    let interrupt = kept.stop_after.as_ref().map(|(_, interrupt)| interrupt.clone()).unwrap_or_default();
    let end = Bench::prepare(plan, works, &BTreeMap::new(), places, &interrupt, &mut kept)
        .and_then(|mut bench| bench.run(&[], &mut kept))
        .map_err(|error| with_sources(&error));
    let folders = std::fs::read_dir(&work)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('t'));
    assert_eq!(folders.count(), 0, "every trial's folder is removed");
    (kept, end, other)
}

#[test]
fn interim_results_are_computed_between_blocks_and_only_if_wanted() {
    let (kept, end, _) = run(Script::Works(2_000), Kept { watched: true, ..Kept::default() });
    assert_eq!(end, Ok(SessionEnd::Complete));
    assert_eq!(kept.interim, [4, 6, 8, 10, 12], "after each block, from the second on");
    let (unseen, end, _) = run(Script::Works(2_000), Kept::default());
    assert_eq!((unseen.interim, end), (vec![], Ok(SessionEnd::Complete)));
}

#[test]
fn work_that_needs_programs_gets_another_image_if_the_hosts_userland_is_refused() {
    let (kept, end, _) = run(Script::RefusesHost, Kept::default());
    assert_eq!(end, Ok(SessionEnd::Complete));
    assert_eq!(outcomes(&kept, 1), [Outcome::Completed; 6]);
    let first = kept.trials.iter().find(|trial| trial.condition == 1).unwrap();
    assert_eq!(first.facts["image"], "agent");
}

fn outcomes(kept: &Kept, condition: usize) -> Vec<Outcome> {
    kept.trials.iter().filter(|trial| trial.condition == condition).map(|trial| trial.outcome).collect()
}

#[test]
fn a_good_session_completes_every_trial_in_order() {
    let (kept, end, driver) = run(Script::Works(2_000), Kept::default());
    assert_eq!(end, Ok(SessionEnd::Complete));
    assert_eq!(kept.trials.len(), 12);
    assert!(kept.trials.iter().all(|trial| trial.outcome == Outcome::Completed));
    assert_eq!(driver.calls.lock().unwrap()[..5], ["create", "start", "ready", "stop", "delete"]);
    let phases: Vec<_> = kept.trials[0].phases.iter().map(|time| time.phase.word()).collect();
    assert_eq!(phases, ["create", "start", "ready", "exec", "stop", "delete"]);
    let streams = kept.trials[0].output.clone().unwrap();
    assert_eq!((streams.stdout, streams.stderr), (Captured::of(b"out"), Captured::default()));
    let with_facts = kept.trials.iter().filter(|trial| !trial.facts.is_empty()).count();
    assert_eq!(with_facts, 2, "facts are asked for once for each condition");
}

#[test]
fn an_unobserved_condition_has_no_readings() {
    let (kept, ..) = run(Script::Works(2_000), Kept { unobserved: true, ..Kept::default() });
    for trial in &kept.trials {
        let observed = trial.condition == 0;
        let inside = trial.samples.iter().find(|sample| sample.metric.name == "inside_major_faults");
        assert_eq!(inside.map(|sample| sample.value), observed.then_some(3.0), "trial {}", trial.index);
        let read = (!trial.readings.is_empty(), !trial.observations.is_empty());
        assert_eq!(read, (observed, observed), "trial {}", trial.index);
        assert_eq!(trial.outcome, Outcome::Completed);
    }
}

#[test]
fn every_failure_is_an_outcome_and_the_session_goes_on() {
    for (script, expected, reason) in [
        (Script::CannotBeCreated, Outcome::Failed, "create s-t"),
        (Script::NeverReady, Outcome::TimedOut, "not done by the deadline"),
        (Script::DiesAtWork, Outcome::Failed, "connection ended"),
        (Script::HangsAtWork, Outcome::TimedOut, "not done by the deadline"),
        (Script::PanicsAtStart, Outcome::Failed, "the script says so"),
        (Script::FailsWork, Outcome::Invalid, "the work was not done"),
        (Script::Strays, Outcome::Invalid, "the clock inside the instance ran faster than the host's, by"),
        (Script::CannotBeDeleted, Outcome::Failed, "delete s-t"),
    ] {
        let (kept, end, driver) = run(script, Kept::default());
        assert_eq!(end, Ok(SessionEnd::Complete), "{script:?}");
        assert_eq!(outcomes(&kept, 0), [Outcome::Completed; 6], "{script:?}: the baseline is not disturbed");
        let failed = outcomes(&kept, 1);
        assert_eq!(failed[..3], [expected; 3], "{script:?}");
        assert_eq!(failed.len(), 6, "{script:?}: what is given up is recorded as well");
        let failure = kept.trials.iter().find_map(|trial| trial.failure.as_ref()).unwrap();
        assert!(failure.reason.contains(reason), "{script:?}: {}", failure.reason);
        let (created, deleted) =
            (driver.created.load(Ordering::SeqCst), driver.deleted.load(Ordering::SeqCst));
        assert_eq!(created, deleted, "{script:?}: every instance is deleted");
    }
}

#[test]
fn beginning_and_end_of_very_long_output_are_kept() {
    let (kept, end, _) = execute(&six(patient()), Script::Floods, Kept::default());
    assert_eq!((end, outcomes(&kept, 1)), (Ok(SessionEnd::Complete), vec![Outcome::Completed; 6]));
    let streams = kept.trials.iter().find(|trial| trial.condition == 1).unwrap().output.clone().unwrap();
    assert_eq!(streams.stdout, Captured::of(&vec![b'x'; 3 << 20]));
    assert_eq!((streams.stdout.head.len(), streams.stdout.tail.len()), (KEPT_END, KEPT_END));
    assert!(kept.whole.is_empty());
}

#[test]
fn all_output_is_kept_if_the_plan_says_so() {
    let design = Design { keep_output: true, ..patient() };
    let (kept, ..) = execute(&six(design), Script::Floods, Kept::default());
    assert_eq!(kept.whole.len(), 12);
    let flooded = kept.whole.iter().filter(|whole| **whole == vec![b'x'; 3 << 20]).count();
    assert_eq!(flooded, 6);
}

#[test]
fn more_output_than_the_limit_ends_the_trial_and_the_session_goes_on() {
    let design = Design { output_limit: 2 << 20, ..patient() };
    let (kept, end, driver) = execute(&six(design), Script::Floods, Kept::default());
    assert_eq!(end, Ok(SessionEnd::Complete));
    assert_eq!(outcomes(&kept, 0), [Outcome::Completed; 6], "the baseline wrote little");
    assert_eq!(outcomes(&kept, 1), [Outcome::Failed; 6]);
    let trial = kept.trials.iter().find(|trial| trial.condition == 1).unwrap();
    let failure = trial.failure.as_ref().unwrap();
    assert!(failure.reason.contains("more than 2097152 bytes"), "{}", failure.reason);
    assert!(failure.reason.contains("--output-limit"), "{}", failure.reason);
    assert_eq!(trial.output.as_ref().unwrap().stdout.bytes, 3 << 20, "what came until then is known");
    assert!(failure.diagnostics.starts_with("first\n") && failure.diagnostics.ends_with("last\n"));
    assert!(failure.diagnostics.contains("bytes are omitted"));
    assert!(failure.diagnostics.len() < 2 * KEPT_END + 100, "{}", failure.diagnostics.len());
    assert_eq!(driver.created.load(Ordering::SeqCst), driver.deleted.load(Ordering::SeqCst));
}

#[test]
fn a_decoder_that_needs_all_output_refuses_too_much_output() {
    let kept = Kept { output_needed: 1 << 20, ..Kept::default() };
    let (kept, end, _) = execute(&six(patient()), Script::Floods, kept);
    assert_eq!((end, outcomes(&kept, 0)), (Ok(SessionEnd::Complete), vec![Outcome::Completed; 6]));
    assert_eq!(outcomes(&kept, 1)[..3], [Outcome::Invalid; 3]);
    let trial = kept.trials.iter().find(|trial| trial.condition == 1).unwrap();
    let reason = &trial.failure.as_ref().unwrap().reason;
    let expected = "it wrote 3145728 bytes to standard output, but the decoder of fake reads at most 1048576";
    assert!(reason.contains(expected), "{reason}");
    assert_eq!(trial.output.as_ref().unwrap().stdout, Captured::of(&vec![b'x'; 3 << 20]));
}

#[test]
fn an_interrupt_ends_the_session_and_keeps_finished_trials() {
    let interrupt = Interrupt::default();
    let (kept, end, _) = run(Script::Works(1), Kept { stop_after: Some((5, interrupt)), ..Kept::default() });
    assert_eq!(end, Ok(SessionEnd::Interrupted));
    assert_eq!(kept.trials.len(), 5);
}

#[test]
fn a_result_that_cannot_be_stored_ends_the_session() {
    let (kept, end, _) = run(Script::Works(1), Kept { full_after: Some(3), ..Kept::default() });
    assert_eq!(end, Err("store the result: no space left".to_owned()));
    assert_eq!(kept.trials.len(), 3);
}

#[test]
fn every_trial_is_watched() {
    let (kept, _, _) = run(Script::Works(1), Kept::default());
    let first = kept.trials[0].noise.unwrap();
    for trial in &kept.trials {
        let noise = trial.noise.unwrap();
        assert_eq!(noise.reference, first.reference, "one reference for the session");
        assert!(noise.before.integer > 0.0 && noise.after.memory > 0.0);
        assert_eq!(noise.throttled, None, "a fake has no cgroup");
    }
}

#[test]
fn disturbed_blocks_are_repeated_in_the_order_that_the_plan_fixed() {
    let mut plan = plan(&Design { blocks: Blocks::exactly(8), ..two("other") }).unwrap();
    // No machine is that fast, so every block counts as disturbed.
    plan.gate = Some(Gate { integer: 0.001, memory: 0.001, waited: 1.0 });
    let (kept, end, _) = execute(&plan, Script::Works(1), Kept::default());
    assert_eq!((end, plan.spare), (Ok(SessionEnd::Complete), 2));
    let ran: Vec<(u32, usize)> = kept.trials.iter().map(|trial| (trial.block, trial.condition)).collect();
    let planned: Vec<(u32, usize)> = plan.order.iter().map(|slot| (slot.block, slot.condition)).collect();
    assert_eq!(ran, planned, "eight blocks and both spare ones");
    let indices: Vec<u32> = kept.trials.iter().map(|trial| trial.index).collect();
    assert_eq!(indices, (0..20).collect::<Vec<_>>());

    plan.gate = Some(Gate { integer: f64::INFINITY, memory: f64::INFINITY, waited: 1.0 });
    assert_eq!(execute(&plan, Script::Works(1), Kept::default()).0.trials.len(), 16);
    plan.gate = None;
    assert_eq!(execute(&plan, Script::Works(1), Kept::default()).0.trials.len(), 16);
}

#[test]
fn a_session_ends_when_it_is_precise_enough_or_complete() {
    let stopping = Design { precision: Some(0.01), repeats: 0.0, ..two("other") };
    let open = plan(&Design { blocks: Blocks { min: 6, max: 100 }, ..stopping.clone() }).unwrap();
    let (kept, end, _) = execute(&open, Script::Works(2_000), Kept::default());
    assert_eq!((end, kept.trials.len()), (Ok(SessionEnd::Precise), 2 * 20), "at the first look");
    let closed = plan(&Design { blocks: Blocks { min: 6, max: 30 }, ..stopping }).unwrap();
    let (kept, end, _) = execute(&closed, Script::Varies(2_000), Kept::default());
    assert_eq!((end, kept.trials.len()), (Ok(SessionEnd::Complete), 2 * 30), "it varies too much");
    let (kept, end, _) = execute(&open, Script::CannotBeCreated, Kept::default());
    assert_eq!(end, Ok(SessionEnd::Complete), "what never works is never known precisely");
    assert_eq!(kept.trials.len(), 200);
}
