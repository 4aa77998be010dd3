//! Prepares a plan and executes it.

use crate::course::Course;
use crate::event::{Event, Sink, SinkError};
use crate::phases::Phases;
use crate::trial::{TrialError, TrialWork, run_trial};
use isotare_core::{
    Deadline, Dependence, Driver, DriverError, Environment, IMAGE_SETTING, Image, ImageReference,
    InstanceContext, Interrupt, Outcome, Plan, PrepareContext, SessionEnd, Settings, Slot, Trial, Workload,
    with_sources,
};
use isotare_files::remove_tree;
use isotare_host::{SessionState, WholeOutput, deadline_in};
use isotare_image::{Cache, Userland, resolve};
use isotare_protocol::Job;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Timeout for preparing one environment.
const PREPARATION: Duration = Duration::from_secs(180);
/// Timeout for unpacking its image, or for making it from a distribution's packages.
const UNPACKING: Duration = Duration::from_secs(900);

/// The places of a session.
pub struct Places<'a> {
    /// The session's record.
    pub state: &'a SessionState,
    /// Session.
    pub session: &'a str,
    /// Folder on disk for roots, images and workloads' files; exists, recorded, removed by the caller.
    pub work: &'a Path,
    /// The agent's program.
    pub agent: &'a Path,
    /// Where unpacked images are kept for later sessions.
    pub cache: &'a Cache,
}

/// The driver and the workload of a condition, with checked settings.
pub struct Work {
    /// The driver with its settings.
    pub driver: (&'static dyn Driver, Settings),
    /// The workload.
    pub workload: Box<dyn Workload>,
    /// Its settings.
    pub settings: Settings,
    /// Whether counters are read during the work, on the host and inside the instance. The overhead of
    /// sampling can be measured by comparing with a condition without them.
    pub is_observed: bool,
}

/// A prepared plan.
pub struct Bench<'a> {
    plan: &'a Plan,
    places: Places<'a>,
    works: Vec<Work>,
    jobs: Vec<Result<Job, String>>,
    /// By spec without replica.
    environments: BTreeMap<String, Result<Ready, (Outcome, String)>>,
    interrupt: Interrupt,
}

struct Ready {
    environment: Box<dyn Environment>,
    facts: BTreeMap<String, String>,
}

/// A session that cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A folder or record could not be created.
    #[error("{operation} {subject}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// What it was done to.
        subject: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The results could not be stored.
    #[error("store the result")]
    Sink(#[from] SinkError),
}

impl<'a> Bench<'a> {
    /// Prepares every environment. If an environment cannot be prepared, its trials are recorded with that
    /// reason.
    pub fn prepare(
        plan: &'a Plan,
        works: Vec<Work>,
        unavailable: &BTreeMap<String, String>,
        places: Places<'a>,
        interrupt: &Interrupt,
        sink: &mut dyn Sink,
    ) -> Result<Self, BenchError> {
        let jobs: Vec<_> = works
            .iter()
            .map(|work| {
                let image = work.workload.image(&work.settings, &|_| false);
                image.and_then(|_| work.workload.job(&work.settings))
            })
            .collect();
        let mut environments = BTreeMap::new();
        for (condition, work) in plan.conditions.iter().zip(&works) {
            let name = key(condition);
            if environments.contains_key(&name) || interrupt.is_raised() {
                continue;
            }
            let ready = match unavailable.get(&name) {
                Some(reason) => Err((Outcome::Unavailable, reason.clone())),
                None => {
                    sink.event(&Event::Preparing { environment: &name })?;
                    let folder = places.work.join(format!("env{}", environments.len()));
                    make_folder(&folder)?;
                    let cx = PrepareContext {
                        session: places.session,
                        work: &folder,
                        agent: places.agent,
                        budget: &plan.budget,
                        ledger: places.state,
                        deadline: deadline_in(PREPARATION, interrupt),
                    };
                    let deadline = deadline_in(UNPACKING, interrupt);
                    let (driver, settings) = &work.driver;
                    ready(*driver, settings, &works, (&cx, places.cache, &deadline)).map_err(prepare_outcome)
                }
            };
            if let Err((_, reason)) = &ready {
                sink.event(&Event::NotPrepared { environment: &name, reason })?;
            }
            environments.insert(name, ready);
        }
        Ok(Self { plan, places, works, jobs, environments, interrupt: interrupt.clone() })
    }

    /// Executes the plan. If it ends early, the trials up to then have been handed to the sink.
    pub fn run(&mut self, sink: &mut dyn Sink) -> Result<SessionEnd, BenchError> {
        let plan = self.plan;
        let mut course = Course::begin(plan, &self.interrupt);
        loop {
            let turn = match course.next() {
                Ok(turn) => turn,
                Err(end) => return Ok(end),
            };
            for slot in plan.block(turn.block) {
                if self.interrupt.is_raised() {
                    return Ok(SessionEnd::Interrupted);
                }
                sink.event(&course.begins(turn, *slot))?;
                let ran = match course.given_up(*slot) {
                    Some(reason) => Some((course.not_run(*slot, Outcome::Failed, reason), None)),
                    None => self.trial(*slot, &mut course)?,
                };
                if let Some((trial, whole)) = &ran {
                    sink.event(&Event::Ended { trial, whole: whole.as_ref() })?;
                    if trial.outcome == Outcome::Interrupted {
                        return Ok(SessionEnd::Interrupted);
                    }
                }
                course.ended(ran.as_ref().map(|(trial, _)| trial));
            }
            course.block_ended(turn);
            if let Some(foretold) = course.foretells() {
                sink.event(&foretold)?;
            }
            if let Some(interim) = sink.is_watched().then(|| course.interim()).flatten() {
                sink.event(&interim)?;
            }
        }
    }

    /// Runs one trial. The result includes the complete output of the workload if the plan says so. `None`
    /// for a condition that cannot run at all and has been recorded once already.
    fn trial(
        &mut self,
        slot: Slot,
        course: &mut Course<'_>,
    ) -> Result<Option<(Trial, Option<WholeOutput>)>, BenchError> {
        let condition = &self.plan.conditions[slot.condition];
        let name = key(condition);
        let once = |outcome, reason: &str| {
            (slot.block == 0).then(|| (course.not_run(slot, outcome, reason.to_owned()), None))
        };
        let job = match &self.jobs[slot.condition] {
            Ok(job) => job.clone(),
            Err(reason) => return Ok(once(Outcome::Unsupported, reason)),
        };
        match self.environments.get(&name) {
            Some(Ok(_)) => {}
            Some(Err((outcome, reason))) => return Ok(once(*outcome, reason)),
            None => return Ok(once(Outcome::Interrupted, "interrupted before it was ready")),
        }
        let (position, first) = (course.position(), course.is_first(slot));
        let instance = format!("{}-t{position}", self.places.session);
        let run = self.places.state.new_folder(&format!("t{position}")).map_err(|source| BenchError::Io {
            operation: "make folder of",
            subject: instance.clone(),
            source,
        })?;
        let work_folder = self.places.work.join(format!("t{position}"));
        make_folder(&work_folder)?;
        let phases = Phases::new(course.start());
        let mark = |name: &'static str| phases.mark(name);
        let cgroup = format!("isotare/{}/t{position}", self.places.session);
        let cx = InstanceContext {
            session: self.places.session,
            instance: &instance,
            cgroup: &cgroup,
            work: &work_folder,
            run: &run,
            budget: &self.plan.budget,
            ledger: self.places.state,
            deadline: deadline_in(Duration::ZERO, &self.interrupt),
            mark: &mark,
        };
        let mut trial = course.empty_trial(slot);
        let work = &self.works[slot.condition];
        let trial_work = TrialWork {
            workload: work.workload.as_ref(),
            settings: &work.settings,
            job: &job,
            is_observed: work.is_observed,
            rate: self.plan.sampling.rate,
            own_kernel: work.driver.0.capabilities().own_kernel,
            timeout: Duration::from_secs_f64(self.plan.timeout),
            clock_tolerance: self.plan.clock_tolerance(),
            wants_facts: first,
            output_limit: self.plan.output_limit,
            keep_output_in: self.plan.keep_output.then_some(self.places.work),
        };
        let Some(Ok(ready)) = self.environments.get_mut(&name) else { return Ok(None) };
        let before = course.watch().before();
        let (findings, end) =
            run_trial(ready.environment.as_mut(), &trial_work, &cx, &phases, course.start());
        trial.noise = Some(course.watch().after(before, findings.throttled));
        let whole = findings.keep(end, phases, &mut trial);
        if first {
            let facts = &mut trial.facts;
            facts.extend(ready.facts.clone());
            let unlimited = ready.facts.get("budget.enforced").and_then(|how| how.strip_prefix("none"));
            let memory = if unlimited.is_none() {
                self.plan.budget.memory.to_string()
            } else {
                "not limited".to_owned()
            };
            facts.entry("memory".to_owned()).or_insert(memory);
            if let Some(why) = unlimited {
                facts.entry("processes".to_owned()).or_insert_with(|| format!("not limited{why}"));
            }
        }
        remove_folder(&work_folder);
        remove_folder(&run);
        Ok(Some((trial, whole)))
    }
}

/// Resolves the environment's image, adds the files that the workloads need, and prepares the driver. If the
/// image is chosen automatically, it is the first candidate that the driver supports here.
fn ready(
    driver: &dyn Driver,
    settings: &Settings,
    works: &[Work],
    (cx, cache, unpacking): (&PrepareContext<'_>, &Cache, &Deadline),
) -> Result<Ready, DriverError> {
    let prepared = |reference: Option<&ImageReference>, work: &Path| {
        let mut facts = BTreeMap::new();
        let mut userland = Userland::default();
        if let Some(reference) = reference {
            userland = resolve(reference, cache, unpacking)?;
            facts.insert("image".to_owned(), reference.to_string());
            facts.extend(userland.digest.clone().map(|digest| ("image.digest".to_owned(), digest)));
        } else if driver.capabilities().host_files {
            facts.insert("image".to_owned(), "the host's own files".to_owned());
        }
        let mut files = Image::default();
        for work in works {
            // A workload that cannot run anywhere has been reported already.
            let image = work.workload.image(&work.settings, &|program| userland.has_program(program));
            image.into_iter().for_each(|image| files.extend(image));
        }
        let deadline = deadline_in(PREPARATION, &cx.deadline.interrupt);
        let cx = PrepareContext { deadline, work, ..*cx };
        let environment = driver.prepare(settings, &userland.furnish(files)?, &cx)?;
        facts.extend(environment.facts());
        Ok(Ready { facts, environment })
    };
    let Some(text) = settings.text(IMAGE_SETTING.key) else { return prepared(None, cx.work) };
    let reference: ImageReference =
        text.parse().map_err(|error| DriverError::failed("read", "setting image", error))?;
    match reference {
        ImageReference::Auto if works.iter().any(needs_programs) => {
            match prepared(Some(&ImageReference::Host), cx.work) {
                Err(DriverError::Unavailable(why)) => {
                    tracing::debug!("{}: the host's userland cannot be its image: {why}", driver.name());
                    // The first attempt may have left something in its folder, which the session removes.
                    let work = cx.work.join("second");
                    fs::create_dir(&work).map_err(|error| {
                        DriverError::failed("make folder", work.display().to_string(), error)
                    })?;
                    prepared(Some(&ImageReference::Agent), &work)
                }
                done => done,
            }
        }
        ImageReference::Auto => prepared(Some(&ImageReference::Agent), cx.work),
        given => prepared(Some(&given), cx.work),
    }
}

/// Whether the work runs programs that are not part of the agent.
fn needs_programs(work: &Work) -> bool {
    work.workload.info(&work.settings).depends_on.contains(&Dependence::Programs)
}

/// Environments are prepared once for all replicas.
fn key(condition: &isotare_core::Condition) -> String {
    isotare_core::EnvironmentSpec { replica: None, ..condition.environment.clone() }.to_string()
}

fn prepare_outcome(error: DriverError) -> (Outcome, String) {
    let text = with_sources(&error);
    (TrialError::Driver(error).outcome(), text)
}

fn make_folder(path: &Path) -> Result<(), BenchError> {
    fs::create_dir_all(path).map_err(|source| BenchError::Io {
        operation: "make folder",
        subject: path.display().to_string(),
        source,
    })
}

/// The folder of a trial. A driver may have removed it already. Files of an instance that cannot be removed
/// from it do not end the session; they are removed with the session's folder.
fn remove_folder(path: &Path) {
    if let Err(error) = remove_tree(path) {
        tracing::warn!(
            "{} could not be removed yet; it will be removed when the session ends: {error}",
            path.display()
        );
    }
}
