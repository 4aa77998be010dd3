//! One trial: fresh instances from create to delete, around what the scenario does with them.

use crate::course::SessionClock;
use crate::observe::limits_hit;
use crate::phases::Phases;
use crate::stage::{Actor, TrialStage};
use isotare_core::{
    ClockCheck, DriverError, Failure, InstanceContext, Interrupt, Invalid, Outcome, Phase, Reading, Sample,
    Scenario, Settings, Streams, Throttled, Timestamp, Trial, Workload, shortened, with_sources,
};
use isotare_host::{AgentError, WaitError, WholeOutput, deadline_in};
use isotare_protocol::{Interval, Observation};
use isotare_samplers::{memory_available, memory_taken};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

/// Time for cleaning up, even if the user interrupts the session.
const CLEANUP: Duration = Duration::from_secs(60);

/// The parts of one trial.
pub(crate) struct TrialWork<'a> {
    pub(crate) workload: &'a dyn Workload,
    pub(crate) settings: &'a Settings,
    pub(crate) scenario: &'a dyn Scenario,
    /// Read counters while it works.
    pub(crate) is_observed: bool,
    /// Readings a second.
    pub(crate) rate: f64,
    /// Length of a phase.
    pub(crate) timeout: Duration,
    /// How far the clocks may differ, as a fraction of the time between their first and last readings.
    pub(crate) clock_tolerance: f64,
    /// Ask the agent for its facts.
    pub(crate) wants_facts: bool,
    /// The most that it may write, bytes.
    pub(crate) output_limit: Option<u64>,
    /// Folder for all that it writes; `None`: only both ends of each stream are kept.
    pub(crate) keep_output_in: Option<&'a Path>,
}

/// The result. `phases` are complete only if `end` is `Ok`.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) samples: Vec<Sample>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) observations: Vec<Observation>,
    pub(crate) output: Option<Streams>,
    /// The complete output, if it has to be kept.
    pub(crate) whole: Option<WholeOutput>,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) latency: Option<Vec<u8>>,
    pub(crate) clock: Option<ClockCheck>,
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) throttled: Option<Throttled>,
}

impl Findings {
    /// Puts them into the trial's record, with the outcome. Returns the part that is too large for the
    /// record.
    pub(crate) fn keep(
        self,
        end: Result<(), (TrialError, Failure)>,
        phases: Phases,
        trial: &mut Trial,
    ) -> Option<WholeOutput> {
        if let Err((error, failure)) = end {
            trial.outcome = error.outcome();
            trial.failure = Some(failure);
        }
        trial.phases = phases.into_times();
        trial.samples = self.samples;
        trial.readings = self.readings;
        trial.observations = self.observations;
        trial.clock = self.clock;
        trial.facts = self.facts;
        (trial.intervals, trial.latency) = (self.intervals, self.latency);
        trial.output = self.output;
        self.whole
    }
}

/// Why a trial did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error("{part}")]
    Part { part: &'static str, source: Box<TrialError> },
    #[error("the work was not done")]
    Invalid(#[from] Invalid),
    #[error("{}", clock_words(*.strayed, *.tolerance))]
    Clock { strayed: f64, tolerance: f64 },
    #[error("isotare itself panicked; this is a bug, please report it: {0}")]
    Panicked(String),
}

impl TrialError {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            TrialError::Part { source, .. } => source.outcome(),
            TrialError::Driver(DriverError::TimedOut { .. }) => Outcome::TimedOut,
            TrialError::Driver(DriverError::Interrupted) => Outcome::Interrupted,
            TrialError::Driver(DriverError::Unsupported(_)) => Outcome::Unsupported,
            TrialError::Driver(DriverError::Unavailable(_)) => Outcome::Unavailable,
            TrialError::Agent(AgentError::Wait(WaitError::TimedOut)) => Outcome::TimedOut,
            TrialError::Agent(AgentError::Wait(WaitError::Interrupted)) => Outcome::Interrupted,
            TrialError::Driver(_) | TrialError::Agent(_) | TrialError::Panicked(_) => Outcome::Failed,
            TrialError::Invalid(_) | TrialError::Clock { .. } => Outcome::Invalid,
        }
    }
}

/// Plays one trial. Every instance that was created is deleted, and an error of `delete` counts.
pub(crate) fn run_trial(
    actors: Vec<Actor<'_>>,
    work: &TrialWork<'_>,
    phases: &Phases,
    clock: SessionClock,
) -> (Findings, Result<(), (TrialError, Failure)>) {
    let available = work.is_observed.then(memory_available).flatten();
    let mut stage = TrialStage::new(actors, work, phases, clock);
    let lived = contained(|| stage.play().and_then(|()| stage.end()));
    let (mut actors, mut findings, at) = stage.into_parts();
    let taken = available.and_then(|before| memory_taken(before, &findings.samples));
    findings.samples.extend(taken);
    // What the instance says that was being used, which is the one that failed.
    let (diagnostics, cause) = match (&lived, actors[at].instance.as_deref()) {
        (Err(_), Some(instance)) => (instance.diagnostics(), limits_hit(instance)),
        _ => Default::default(),
    };
    let mut deleted = Ok(());
    for (index, actor) in actors.iter_mut().enumerate().rev() {
        let Some(mut instance) = actor.instance.take() else { continue };
        let cleanup = undisturbed(&actor.cx);
        let done = contained(|| match index {
            0 => Ok(phases.time(Phase::Delete, || instance.delete(&cleanup))?),
            _ => Ok(instance.delete(&cleanup)?),
        });
        deleted = deleted.and(done);
    }
    let end = lived.and(deleted).map_err(|error| {
        let (error, mut failure) = explain(error, diagnostics);
        failure.reason.push_str(&cause);
        (error, failure)
    });
    (findings, end)
}

/// A bug in a driver or decoder fails its trial, not the session.
fn contained<T>(work: impl FnOnce() -> Result<T, TrialError>) -> Result<T, TrialError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(TrialError::Panicked(said.unwrap_or_default()))
    })
}

/// The context for cleaning up. An interrupt of the user does not shorten it.
fn undisturbed<'a>(cx: &InstanceContext<'a>) -> InstanceContext<'a> {
    InstanceContext { deadline: deadline_in(CLEANUP, &Interrupt::default()), ..cx.until(Timestamp(0)) }
}

fn clock_words(strayed: f64, tolerance: f64) -> String {
    let way = if strayed > 0.0 { "ran faster than" } else { "ran slower than" };
    let [strayed, tolerance] = [strayed.abs(), tolerance].map(|share| 100.0 * share);
    format!(
        "the clock inside the instance {way} the host's, by {strayed:.2} % of the time between its readings; \
         {tolerance:.2} % are allowed, so the times that it measured cannot be used"
    )
}

/// A driver's error, for a trial that never had an instance.
pub(crate) fn explained(error: DriverError) -> (TrialError, Failure) {
    explain(error.into(), String::new())
}

fn explain(error: TrialError, diagnostics: String) -> (TrialError, Failure) {
    // Both can quote an instance, which can write any amount of text.
    let failure = Failure { reason: shortened(with_sources(&error)), diagnostics: shortened(diagnostics) };
    (error, failure)
}
