//! The stage of a trial: its instances, and what a scenario may do with them.

use crate::course::SessionClock;
use crate::observe::{collector, finished, inside, process_limit, relative, since, throttled};
use crate::phases::Phases;
use crate::trial::{Findings, TrialError, TrialWork};
use isotare_core::{
    Attaching, Attachment, ClockCheck, Deadline, DriverError, Environment, Instance, InstanceContext,
    JobOutput, Part, Phase, PlayError, Stage,
};
use isotare_host::{AgentClient, AgentError, JobEvent, OutputTap, WholeOutput, now};
use isotare_protocol::{Builtin, CommandJob, Job, JobResult, Repetition, Service};
use isotare_samplers::{Collector, meters, summarise};
use isotare_segment::attach;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use tempfile::tempfile_in;

/// Time that an instance has to end by itself, after its agent has been told to end.
const GRACE: Duration = Duration::from_secs(10);
/// Number of readings of both clocks before and after the job. The best reading is kept.
const CLOCK_READINGS: u32 = 5;
/// How often a guest's own counters are read during the job. The number is small, because each reading takes
/// time of the CPUs that are measured.
const OBSERVE_MS: u32 = 1000;

/// One part's instance, and what it is made of.
pub(crate) struct Actor<'a> {
    pub(crate) part: Part,
    pub(crate) environment: &'a dyn Environment,
    pub(crate) cx: InstanceContext<'a>,
    /// How its driver's instances are attached.
    pub(crate) attaching: Attaching,
    /// It has its own kernel, so the host does not see what happens inside.
    pub(crate) own_kernel: bool,
    /// From `create` until it is deleted.
    pub(crate) instance: Option<Box<dyn Instance>>,
    /// From when it is ready.
    agent: Option<AgentClient>,
}

impl<'a> Actor<'a> {
    pub(crate) fn new(
        part: Part,
        environment: &'a dyn Environment,
        cx: InstanceContext<'a>,
        (attaching, own_kernel): (Attaching, bool),
    ) -> Self {
        Self { part, environment, cx, attaching, own_kernel, instance: None, agent: None }
    }

    fn within(&self, time: Duration) -> InstanceContext<'a> {
        self.cx.until(now().plus(time))
    }

    fn deadline(&self, time: Duration) -> Deadline {
        self.within(time).deadline
    }

    fn absent(&self) -> TrialError {
        DriverError::failed("use", self.cx.instance, "the scenario has not raised this part").into()
    }

    fn agent(&mut self) -> Result<&mut AgentClient, TrialError> {
        match self.agent {
            Some(ref mut agent) => Ok(agent),
            None => {
                Err(DriverError::failed("use", self.cx.instance, "the scenario has not raised it").into())
            }
        }
    }

    /// Gives it its end of the segment, before it exists or when it is ready.
    fn attach(&self, deadline: &Deadline) -> Result<(), TrialError> {
        match self.cx.network {
            Some(end) => Ok(attach(end, self.attaching, self.instance.as_deref(), deadline)?),
            None => Ok(()),
        }
    }
}

/// The stage of one trial.
pub(crate) struct TrialStage<'a> {
    actors: Vec<Actor<'a>>,
    work: &'a TrialWork<'a>,
    phases: &'a Phases,
    clock: SessionClock,
    findings: Findings,
    /// The part that was used last.
    at: usize,
    /// Why the play was stopped.
    error: Option<TrialError>,
    strayed: Option<f64>,
    services: u32,
}

impl<'a> TrialStage<'a> {
    pub(crate) fn new(
        actors: Vec<Actor<'a>>,
        work: &'a TrialWork<'a>,
        phases: &'a Phases,
        clock: SessionClock,
    ) -> Self {
        let findings = Findings::default();
        Self { actors, work, phases, clock, findings, at: 0, error: None, strayed: None, services: 0 }
    }

    /// Everything that outlives the play, and the index of the part that was used last.
    pub(crate) fn into_parts(self) -> (Vec<Actor<'a>>, Findings, usize) {
        (self.actors, self.findings, self.at)
    }

    /// Plays the scenario and checks the clock.
    pub(crate) fn play(&mut self) -> Result<(), TrialError> {
        let (scenario, settings) = (self.work.scenario, self.work.settings);
        let played = scenario.play(self, settings);
        let samples = played.map_err(|error| match error {
            PlayError::Invalid(invalid) => TrialError::Invalid(invalid),
            PlayError::Stopped => self.error.take().unwrap_or_else(|| {
                TrialError::Invalid(isotare_core::Invalid("the scenario gave up without a reason".to_owned()))
            }),
        })?;
        self.findings.samples.splice(0..0, samples);
        match self.strayed.filter(|share| share.abs() > self.work.clock_tolerance) {
            Some(strayed) => Err(TrialError::Clock { strayed, tolerance: self.work.clock_tolerance }),
            None => Ok(()),
        }
    }

    /// Ends every instance, the last one first.
    pub(crate) fn end(&mut self) -> Result<(), TrialError> {
        for index in (0..self.actors.len()).rev() {
            self.at = index;
            let cx = self.actors[index].within(GRACE + self.work.timeout);
            let actor = &mut self.actors[index];
            let (Some(mut agent), Some(instance)) = (actor.agent.take(), &mut actor.instance) else {
                continue;
            };
            let stop = || -> Result<(), TrialError> {
                agent.power_off(&cx.deadline)?;
                Ok(instance.stop(GRACE, &cx)?)
            };
            timed((index == 0).then_some(self.phases), Phase::Stop, stop)
                .map_err(|error| self.of_part(error))?;
        }
        Ok(())
    }

    /// The error with the name of the part, where there are several.
    fn of_part(&self, error: TrialError) -> TrialError {
        match self.actors.len() {
            1 => error,
            _ => TrialError::Part { part: self.actors[self.at].part.name, source: Box::new(error) },
        }
    }

    /// Does something with a part. An error stops the play.
    fn with<T>(
        &mut self,
        part: &str,
        act: impl FnOnce(&mut Self, usize) -> Result<T, TrialError>,
    ) -> Result<T, PlayError> {
        let found = self.actors.iter().position(|actor| actor.part.name == part);
        let done = match found {
            Some(index) => {
                self.at = index;
                act(self, index)
            }
            None => Err(DriverError::failed("find part", part, "the scenario does not have it").into()),
        };
        done.map_err(|error| {
            self.error = Some(self.of_part(error));
            PlayError::Stopped
        })
    }

    fn create(&mut self, index: usize) -> Result<(), TrialError> {
        let timeout = self.work.timeout;
        let actor = &mut self.actors[index];
        // The phases of a trial are those of its first part.
        let phases = (index == 0).then_some(self.phases);
        actor.attach(&actor.deadline(timeout))?;
        let cx = actor.within(timeout);
        let environment = actor.environment;
        let instance = timed(phases, Phase::Create, || Ok(environment.create(&cx)?))?;
        // Kept before anything else happens, so that it is deleted also after a panic.
        let cx = actor.within(timeout);
        let instance = actor.instance.insert(instance);
        timed(phases, Phase::Start, || Ok(instance.start(&cx)?))?;
        let cx = actor.cx.until(now().plus(timeout));
        actor.agent = Some(timed(phases, Phase::Ready, || {
            let stream = instance.wait_ready(&cx)?;
            Ok(AgentClient::greet(stream, &cx.deadline)?)
        })?);
        actor.attach(&actor.deadline(timeout))?;
        if index == 0 && self.work.wants_facts {
            let deadline = actor.deadline(timeout);
            let facts = actor.agent()?.facts(&deadline)?;
            let limit = actor.instance.as_deref().and_then(|it| process_limit(it, actor.own_kernel));
            self.findings.facts = facts;
            self.findings.facts.extend(limit.map(|limit| ("processes".to_owned(), limit)));
        }
        Ok(())
    }

    fn job(&mut self, index: usize, job: &Job) -> Result<JobOutput, TrialError> {
        let work = self.work;
        let timeout = work.timeout;
        let actor = &mut self.actors[index];
        let deadline = actor.deadline(timeout);
        let before = actor.agent()?.clock(CLOCK_READINGS, &deadline)?;
        let mut tap = OutputTap::new(work.output_limit).needing(work.workload.output_needed());
        if let Some(folder) = work.keep_output_in {
            tap = keeping(tap, folder).map_err(AgentError::Keep)?;
        }
        let deadline = actor.deadline(timeout + expected_length(job));
        let own_kernel = actor.own_kernel;
        let watched = self.actors[0].instance.as_deref().ok_or_else(|| self.actors[0].absent())?;
        let collector = work.is_observed.then(|| collector(watched.footprint(), work, &self.actors[0].cx));
        let unthrottled = throttled(watched);
        let (before_it, from_it) = self.actors.split_at_mut(index);
        let (actor, after_it) = from_it.split_first_mut().ok_or(AgentError::Closed)?;
        // A service that ends while the job runs is why the job fails.
        let others: Vec<&AgentClient> =
            before_it.iter().chain(after_it.iter()).filter_map(|other| other.agent.as_ref()).collect();
        let agent = actor.agent()?;
        let done = self.phases.time(Phase::Exec, || {
            let mut heard = |event| match event {
                JobEvent::Measuring => collector.iter().for_each(Collector::begin),
                JobEvent::Measured => collector.iter().for_each(Collector::end),
            };
            let observe_ms = (work.is_observed && own_kernel).then_some(OBSERVE_MS);
            agent.run_beside(&others, job, observe_ms, &deadline, &mut tap, &mut heard)
        });
        let (streams, whole) = tap.finish();
        self.findings.output = Some(streams.clone().shortened());
        let kept = whole.map(|whole| self.findings.whole = whole);
        let done = done.map_err(|error| self.blamed(index, error))?;
        kept.map_err(AgentError::Keep)?;
        let readings = collector.map(finished).unwrap_or_default();
        let actor = &mut self.actors[index];
        let deadline = actor.deadline(timeout);
        let after = actor.agent()?.clock(CLOCK_READINGS, &deadline)?;
        let watched = self.actors[0].instance.as_deref();
        self.findings.throttled = unthrottled.zip(watched.and_then(throttled)).map(since);
        let clock = ClockCheck { before, during: done.clock, after };
        self.strayed = clock.strayed();
        self.findings.clock = Some(clock);
        self.findings.observations = done.observed.readings;
        if work.wants_facts {
            // This runs after the work, so that the work does not find files in the page cache only because
            // they were hashed.
            let actor = &mut self.actors[index];
            let deadline = actor.deadline(timeout);
            self.findings.facts.extend(crate::bits::facts(actor.agent()?, work, &deadline)?);
        }
        self.findings.samples = summarise(&readings, &meters());
        self.findings.samples.extend(inside(done.observed.counters));
        self.findings.readings = relative(readings, self.clock);
        if let JobResult::Work(report) = &done.result {
            self.findings.intervals.clone_from(&report.intervals);
            self.findings.latency = Some(report.latency.clone());
        }
        Ok(JobOutput { result: done.result, streams })
    }

    /// The error of the service that ended while a job ran elsewhere; otherwise the job's own.
    fn blamed(&mut self, job: usize, error: AgentError) -> TrialError {
        if !matches!(error, AgentError::OtherSpoke) {
            return error.into();
        }
        let deadline = self.actors[job].deadline(self.work.timeout);
        let mut news = self.actors.iter_mut().enumerate().filter(|(index, _)| *index != job);
        let found = news.find_map(|(index, actor)| {
            let error = actor.agent.as_mut()?.news(&deadline).err()?;
            Some((index, error))
        });
        match found {
            Some((index, error)) => {
                self.at = index;
                error.into()
            }
            None => error.into(),
        }
    }
}

impl Stage for TrialStage<'_> {
    fn raise(&mut self, part: &str) -> Result<(), PlayError> {
        self.with(part, Self::create)
    }

    fn address(&self, part: &str) -> Result<Ipv4Addr, PlayError> {
        let actor = self.actors.iter().find(|actor| actor.part.name == part);
        actor.and_then(|actor| actor.cx.network).map(Attachment::address).ok_or(PlayError::Invalid(
            isotare_core::Invalid(format!(
                "the part {part} has no address, because it is not attached to the segment"
            )),
        ))
    }

    fn serve(&mut self, part: &str, service: &Service) -> Result<(), PlayError> {
        let id = self.services;
        self.services += 1;
        self.with(part, |stage, index| {
            let time = stage.work.timeout + Duration::from_millis(service.patience_ms);
            let actor = &mut stage.actors[index];
            let deadline = actor.deadline(time);
            Ok(actor.agent()?.serve(id, service, &deadline)?)
        })
    }

    fn run(&mut self, part: &str, job: &Job) -> Result<JobOutput, PlayError> {
        self.with(part, |stage, index| stage.job(index, job))
    }
}

fn timed<T>(
    phases: Option<&Phases>,
    phase: Phase,
    work: impl FnOnce() -> Result<T, TrialError>,
) -> Result<T, TrialError> {
    match phases {
        Some(phases) => phases.time(phase, work),
        None => work(),
    }
}

/// The tap that keeps the complete output in files of this folder. The files have no names, so nothing is
/// left of them.
fn keeping(tap: OutputTap, folder: &Path) -> io::Result<OutputTap> {
    let files = WholeOutput { stdout: tempfile_in(folder)?, stderr: tempfile_in(folder)? };
    tap.keeping(files)
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
