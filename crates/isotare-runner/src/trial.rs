//! One trial: a fresh instance from create to delete around one job.

use crate::phases::Phases;
use isotare_cgroup::{Cgroup, Hierarchies, Tasks};
use isotare_core::{
    ClockCheck, DriverError, Environment, Failure, Footprint, Instance, InstanceContext, Interrupt, Invalid,
    JobOutput, MetricDef, Outcome, Phase, Reading, Sample, Settings, Streams, Throttled, Timestamp, Trial,
    Workload, shortened, with_sources,
};
use isotare_host::{AgentClient, AgentError, JobEvent, OutputTap, WaitError, WholeOutput, deadline_in, now};
use isotare_protocol::{Builtin, CommandJob, Interval, Job, JobResult, Observation, Repetition};
use isotare_samplers::{Collector, Samplers, memory_available, memory_taken, meters, summarise};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;
use tempfile::tempfile_in;

/// Time that an instance has to end by itself, after its agent has been told to end.
const GRACE: Duration = Duration::from_secs(10);
/// Time for cleaning up, even if the user interrupts the session.
const CLEANUP: Duration = Duration::from_secs(60);
/// Number of readings of both clocks before and after the job. The best reading is kept.
const CLOCK_READINGS: u32 = 5;
/// How often a guest's own counters are read during the job. The number is small, because each reading takes
/// time of the CPUs that are measured.
const OBSERVE_MS: u32 = 1000;

/// The parts of one trial.
pub(crate) struct TrialWork<'a> {
    pub(crate) workload: &'a dyn Workload,
    pub(crate) settings: &'a Settings,
    pub(crate) job: &'a Job,
    /// Read counters while it works.
    pub(crate) is_observed: bool,
    /// Readings a second.
    pub(crate) rate: f64,
    /// It has its own kernel, so the host does not see what happens inside.
    pub(crate) own_kernel: bool,
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

/// Runs the whole life of one instance. It is always deleted, and an error of `delete` counts.
pub(crate) fn run_trial(
    environment: &dyn Environment,
    work: &TrialWork<'_>,
    cx: &InstanceContext<'_>,
    phases: &Phases,
    session_start: Timestamp,
) -> (Findings, Result<(), (TrialError, Failure)>) {
    let mut findings = Findings::default();
    let available = work.is_observed.then(memory_available).flatten();
    let created =
        contained(|| Ok(phases.time(Phase::Create, || environment.create(&within(cx, work.timeout)))?));
    let mut instance = match created {
        Ok(instance) => instance,
        Err(error) => return (findings, Err(explain(error, String::new()))),
    };
    let lived = contained(|| live(instance.as_mut(), work, cx, phases, session_start, &mut findings));
    let taken = available.and_then(|before| memory_taken(before, &findings.samples));
    findings.samples.extend(taken);
    let (diagnostics, cause) = match &lived {
        Ok(()) => Default::default(),
        Err(_) => (instance.diagnostics(), limits_hit(instance.as_ref())),
    };
    let cleanup = undisturbed(cx);
    let deleted = contained(|| Ok(phases.time(Phase::Delete, || instance.delete(&cleanup))?));
    let end = lived.and(deleted).map_err(|error| {
        let (error, mut failure) = explain(error, diagnostics);
        failure.reason.push_str(&cause);
        (error, failure)
    });
    (findings, end)
}

fn live(
    instance: &mut dyn Instance,
    work: &TrialWork<'_>,
    cx: &InstanceContext<'_>,
    phases: &Phases,
    session_start: Timestamp,
    findings: &mut Findings,
) -> Result<(), TrialError> {
    phases.time(Phase::Start, || instance.start(&within(cx, work.timeout)))?;
    let mut agent = phases.time(Phase::Ready, || -> Result<AgentClient, TrialError> {
        let cx = within(cx, work.timeout);
        let stream = instance.wait_ready(&cx)?;
        Ok(AgentClient::greet(stream, &cx.deadline)?)
    })?;
    if work.wants_facts {
        findings.facts = agent.facts(&within(cx, work.timeout).deadline)?;
        let processes = process_limit(instance, work.own_kernel);
        findings.facts.extend(processes.map(|limit| ("processes".to_owned(), limit)));
    }
    let before = agent.clock(CLOCK_READINGS, &within(cx, work.timeout).deadline)?;
    let mut tap = OutputTap::new(work.output_limit).needing(work.workload.output_needed());
    if let Some(folder) = work.keep_output_in {
        tap = keeping(tap, folder).map_err(AgentError::Keep)?;
    }
    let deadline = within(cx, work.timeout + expected_length(work.job)).deadline;
    let collector = work.is_observed.then(|| collector(instance.footprint(), work, cx));
    let unthrottled = throttled(instance);
    let done = phases.time(Phase::Exec, || {
        let mut heard = |event| match event {
            JobEvent::Measuring => collector.iter().for_each(Collector::begin),
            JobEvent::Measured => collector.iter().for_each(Collector::end),
        };
        let observe_ms = (work.is_observed && work.own_kernel).then_some(OBSERVE_MS);
        agent.run(work.job, observe_ms, &deadline, &mut tap, &mut heard)
    });
    let (streams, whole) = tap.finish();
    findings.output = Some(streams.clone().shortened());
    let kept = whole.map(|whole| findings.whole = whole);
    let done = done?;
    kept.map_err(AgentError::Keep)?;
    let readings = collector.map(finished).unwrap_or_default();
    let after = agent.clock(CLOCK_READINGS, &within(cx, work.timeout).deadline)?;
    findings.throttled = unthrottled.zip(throttled(instance)).map(since);
    let clock = ClockCheck { before, during: done.clock, after };
    let strayed = clock.strayed();
    findings.clock = Some(clock);
    findings.observations = done.observed.readings;
    if work.wants_facts {
        // This runs after the work, so that the work does not find files in the page cache only because they
        // were hashed.
        findings.facts.extend(crate::bits::facts(&mut agent, work, &within(cx, work.timeout).deadline)?);
    }
    findings.samples = summarise(&readings, &meters());
    findings.samples.extend(inside(done.observed.counters));
    findings.readings = relative(readings, session_start);
    let output = JobOutput { result: done.result, streams };
    let decoded = decode(work, &output);
    if let JobResult::Work(report) = output.result {
        (findings.intervals, findings.latency) = (report.intervals, Some(report.latency));
    }
    findings.samples.splice(0..0, decoded?);
    if let Some(strayed) = strayed.filter(|share| share.abs() > work.clock_tolerance) {
        return Err(TrialError::Clock { strayed, tolerance: work.clock_tolerance });
    }
    phases.time(Phase::Stop, || -> Result<(), TrialError> {
        let cx = within(cx, GRACE + work.timeout);
        agent.power_off(&cx.deadline)?;
        Ok(instance.stop(GRACE, &cx)?)
    })
}

/// The tap that keeps the complete output in files of this folder. The files have no names, so nothing is
/// left of them.
fn keeping(tap: OutputTap, folder: &Path) -> io::Result<OutputTap> {
    let files = WholeOutput { stdout: tempfile_in(folder)?, stderr: tempfile_in(folder)? };
    tap.keeping(files)
}

/// Reads the result. Some workloads need the complete standard output for it.
fn decode(work: &TrialWork<'_>, output: &JobOutput) -> Result<Vec<Sample>, Invalid> {
    let (needed, written) = (work.workload.output_needed(), output.streams.stdout.bytes);
    if needed > 0 && written > needed as u64 {
        let name = work.workload.name();
        return Err(Invalid(format!(
            "it wrote {written} bytes to standard output, but the decoder of {name} reads at most {needed}"
        )));
    }
    work.workload.decode(output, work.settings)
}

/// Reads the host's counters while the work is measured. It is prepared before, so that only the readings are
/// part of the measured time.
fn collector(footprint: Footprint, work: &TrialWork<'_>, cx: &InstanceContext<'_>) -> Collector {
    let samplers = Samplers::all_that_work(&cx.budget.cpus);
    Collector::prepare(footprint, work.rate, samplers, &cx.budget.cpus, now)
}

/// The values of an instance's own counters, as separate metrics: `inside_cpu_user` is the same as `cpu_user`
/// on the host. Unknown counters and values that are not numbers are omitted.
fn inside(counters: Vec<(String, f64)>) -> impl Iterator<Item = Sample> {
    let meters = meters();
    counters.into_iter().filter_map(move |(name, value)| {
        let meter = meters.iter().find(|meter| meter.is_of(&name)).filter(|_| value.is_finite())?;
        let metric =
            MetricDef { name: format!("inside_{name}").into(), headline: false, ..meter.def.clone() };
        Some(Sample::of_sampler(metric, None, value))
    })
}

fn finished(collector: Collector) -> Vec<Reading> {
    let (readings, errors) = collector.finish();
    errors.iter().for_each(|error| tracing::debug!("sampler: {}", with_sources(error)));
    readings
}

/// The instance's cgroup, where it has one.
fn cgroup(instance: &dyn Instance) -> Option<Cgroup> {
    let path = instance.footprint().cgroup?;
    Some(Hierarchies::discover().ok()?.open(&path)).filter(Cgroup::exists)
}

/// The host's limit of processes and threads of the instance; `None`: unknown, because there is no cgroup.
fn process_limit(instance: &dyn Instance, own_kernel: bool) -> Option<String> {
    let tasks = cgroup(instance).map(|group| group.tasks());
    let limit = tasks.flatten().and_then(|tasks| tasks.limit);
    match (own_kernel, limit) {
        (true, Some(limit)) => {
            Some(format!("not limited: it has its own kernel; at most {limit} threads on the host"))
        }
        (true, None) => Some("not limited: it has its own kernel".to_owned()),
        (false, Some(limit)) => Some(limit.to_string()),
        (false, None) => match tasks? {
            Some(_) => Some("not limited".to_owned()),
            None => Some("not limited: the host has no cgroup controller pids".to_owned()),
        },
    }
}

/// How CPU quotas have throttled the instance's cgroup since it was created.
fn throttled(instance: &dyn Instance) -> Option<Throttled> {
    let stats = cgroup(instance)?.stats();
    Some(Throttled { periods: stats.throttled_periods?, time: stats.throttled_ns? as f64 / 1e9 })
}

fn since((before, after): (Throttled, Throttled)) -> Throttled {
    Throttled {
        periods: after.periods.saturating_sub(before.periods),
        time: (after.time - before.time).max(0.0),
    }
}

/// The effect of the instance's limits, if its cgroup reports them: the kernel killed processes, or refused
/// to start more.
fn limits_hit(instance: &dyn Instance) -> String {
    let Some(group) = cgroup(instance) else { return String::new() };
    let killed = match group.stats().oom_kills {
        None | Some(0) => String::new(),
        Some(count) => format!(" (the kernel killed {count} of its processes for the memory limit)"),
    };
    let refused = match group.tasks() {
        Some(Tasks { limit: Some(limit), refused: count @ 1.. }) => {
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            format!(
                "  (the limit of {limit} processes was reached {times}; threads also count; --processes \
                 raises the limit)"
            )
        }
        _ => String::new(),
    };
    killed + &refused
}

/// A bug in a driver or decoder fails its trial, not the session.
fn contained<T>(work: impl FnOnce() -> Result<T, TrialError>) -> Result<T, TrialError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(TrialError::Panicked(said.unwrap_or_default()))
    })
}

fn within<'a>(cx: &InstanceContext<'a>, time: Duration) -> InstanceContext<'a> {
    cx.until(now().plus(time))
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

fn explain(error: TrialError, diagnostics: String) -> (TrialError, Failure) {
    // Both can quote an instance, which can write any amount of text.
    let failure = Failure { reason: shortened(with_sources(&error)), diagnostics: shortened(diagnostics) };
    (error, failure)
}

fn relative(mut readings: Vec<Reading>, start: Timestamp) -> Vec<Reading> {
    for reading in &mut readings {
        reading.at = Timestamp(reading.at.0.saturating_sub(start.0));
    }
    readings
}

/// The planned length of a job, if its description says it.
fn expected_length(job: &Job) -> Duration {
    let millis = match job {
        Job::Builtin(Builtin { limit, warmup_ms, .. }) => warmup_ms + limit.duration_ms.unwrap_or(0),
        Job::Command(CommandJob { repetition: Repetition::Loop { duration_ms, .. }, .. }) => *duration_ms,
        Job::Command(_) => 0,
    };
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_counters_with_finite_values_are_used() {
        let told = [("cpu_user", 1.5), ("cpu_user", f64::NAN), ("cpu_user", f64::INFINITY), ("=evil()", 1.0)];
        let samples = inside(told.map(|(name, value)| (name.to_owned(), value)).into());
        let kept: Vec<(String, f64)> =
            samples.map(|sample| (sample.metric.name.into_owned(), sample.value)).collect();
        assert_eq!(kept, [("inside_cpu_user".to_owned(), 1.5)]);
    }
}
