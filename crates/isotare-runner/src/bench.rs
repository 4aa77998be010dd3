//! Prepares a plan and executes it.

use crate::course::Course;
use crate::event::{Event, Sink, SinkError};
use crate::phases::Phases;
use crate::stage::Actor;
use crate::trial::{Findings, TrialError, TrialWork, explained, run_trial};
use isotare_core::{
    Attaching, Attachment, Capabilities, Deadline, Dependence, Driver, DriverError, Environment,
    EnvironmentSpec, IMAGE_SETTING, Image, ImageReference, InstanceContext, Interrupt, Outcome, Part, Place,
    Plan, PrepareContext, SessionEnd, Settings, Slot, Solo, Trial, Workload, with_sources,
};
use isotare_files::remove_tree;
use isotare_host::{SessionState, WholeOutput, deadline_in};
use isotare_image::{Cache, Userland, resolve};
use isotare_segment::{End, Segment, Shape};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// An environment in which a scenario places a part, and its driver with its settings.
pub type FixedPlace = (EnvironmentSpec, (&'static dyn Driver, Settings));

/// The driver and the workload of a condition, with checked settings.
pub struct Work {
    /// The driver with its settings.
    pub driver: (&'static dyn Driver, Settings),
    /// The workload.
    pub workload: Box<dyn Workload>,
    /// Its settings.
    pub settings: Settings,
    /// The environments in which its scenario places parts.
    pub fixed: Vec<FixedPlace>,
    /// Whether counters are read during the work, on the host and inside the instance. The overhead of
    /// sampling can be measured by comparing with a condition without them.
    pub is_observed: bool,
}

/// A prepared plan.
pub struct Bench<'a> {
    plan: &'a Plan,
    places: Places<'a>,
    works: Vec<Work>,
    /// The parts of each condition's trials, or why it cannot run.
    casts: Vec<Result<Vec<Part>, String>>,
    /// By spec without replica.
    environments: BTreeMap<String, Result<Ready, (Outcome, String)>>,
    interrupt: Interrupt,
}

struct Ready {
    name: String,
    capabilities: Capabilities,
    environment: Box<dyn Environment>,
    facts: BTreeMap<String, String>,
}

/// A prepared environment, and its facts.
type Prepared = (Box<dyn Environment>, BTreeMap<String, String>);

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
        let casts: Vec<_> = works.iter().map(cast).collect();
        let mut environments = BTreeMap::new();
        let is_attached = casts.iter().flatten().flatten().any(|part| part.is_attached);
        let under_test = plan.conditions.iter().zip(&works).map(|(condition, work)| {
            let (driver, settings) = &work.driver;
            (&condition.environment, *driver, settings)
        });
        let fixed = works.iter().flat_map(|work| &work.fixed);
        let fixed = fixed.map(|(environment, (driver, settings))| (environment, *driver, settings));
        for (environment, driver, settings) in under_test.chain(fixed) {
            let name = key(environment);
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
                        is_attached: is_attached && driver.capabilities().segment == Attaching::Created,
                        ledger: places.state,
                        deadline: deadline_in(PREPARATION, interrupt),
                    };
                    let deadline = deadline_in(UNPACKING, interrupt);
                    let prepared = prepared(driver, settings, &works, (&cx, places.cache, &deadline));
                    let capabilities = driver.capabilities();
                    let ready =
                        |(environment, facts)| Ready { name: name.clone(), capabilities, environment, facts };
                    prepared.map(ready).map_err(prepare_outcome)
                }
            };
            if let Err((_, reason)) = &ready {
                sink.event(&Event::NotPrepared { environment: &name, reason })?;
            }
            environments.insert(name, ready);
        }
        Ok(Self { plan, places, works, casts, environments, interrupt: interrupt.clone() })
    }

    /// Executes the plan. If it ends early, the trials up to then have been handed to the sink.
    ///
    /// `earlier` are the trials of an execution of this plan that was interrupted, in their order. They do not
    /// run again, and they are not handed to the sink; the plan goes on after them.
    pub fn run(&mut self, earlier: &[Trial], sink: &mut dyn Sink) -> Result<SessionEnd, BenchError> {
        let plan = self.plan;
        let before = earlier.last().map_or(0, Trial::end_ns);
        let mut course = Course::begin(plan, Duration::from_nanos(before), &self.interrupt);
        let mut earlier = earlier.iter().peekable();
        loop {
            let turn = match course.next() {
                Ok(turn) => turn,
                Err(end) => return Ok(end),
            };
            for slot in plan.block(turn.block) {
                if earlier.peek().is_some() {
                    // A condition that cannot run has no trial in most blocks.
                    course.ended(earlier.next_if(|trial| course.position() == trial.index as usize));
                    continue;
                }
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
            if earlier.peek().is_some() {
                continue;
            }
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
        let work = &self.works[slot.condition];
        let parts = match self.parts(slot) {
            Ok(parts) => parts,
            Err((outcome, reason)) => {
                let once = || (course.not_run(slot, outcome, reason), None);
                return Ok((slot.block == 0).then(once));
            }
        };
        let (position, is_first) = (course.position(), course.is_first(slot));
        let places = parts
            .iter()
            .enumerate()
            .map(|(index, (part, _))| {
                PartPlace::make(&self.places, position, (index > 0).then_some(part.name))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let phases = Phases::new(course.clock());
        let mark = |name: &'static str| phases.mark(name);
        let mut trial = course.empty_trial(slot);
        let solo = Solo(work.workload.as_ref());
        let trial_work = TrialWork {
            workload: work.workload.as_ref(),
            scenario: work.workload.scenario().unwrap_or(&solo),
            settings: &work.settings,
            is_observed: work.is_observed,
            rate: self.plan.sampling.rate,
            timeout: Duration::from_secs_f64(self.plan.timeout),
            clock_tolerance: self.plan.clock_tolerance(),
            wants_facts: is_first,
            output_limit: self.plan.output_limit,
            keep_output_in: self.plan.keep_output.then_some(self.places.work),
        };
        let before = course.watch().before();
        let (segment, refused) = match self.segment(&parts, &places[0]) {
            Ok(segment) => (segment, None),
            Err(error) => (None, Some(error)),
        };
        let (findings, end) = match refused {
            Some(error) => (Findings::default(), Err(explained(error))),
            None => {
                let ends = parts.iter().zip(0..).map(|((part, _), index)| {
                    segment.as_ref().filter(|_| part.is_attached).map(|segment| segment.end(index))
                });
                let ends: Vec<Option<End>> = ends.map(|end| end.and_then(Result::ok)).collect();
                let actors = parts.iter().zip(&places).zip(&ends).map(|(((part, ready), place), end)| {
                    let cx = InstanceContext {
                        session: self.places.session,
                        instance: &place.instance,
                        cgroup: &place.cgroup,
                        work: &place.work,
                        run: &place.run,
                        budget: &self.plan.budget,
                        network: end.as_ref().map(|end| end as &dyn Attachment),
                        ledger: self.places.state,
                        deadline: deadline_in(Duration::ZERO, &self.interrupt),
                        mark: &mark,
                    };
                    let can = ready.capabilities;
                    Actor::new(part.clone(), ready.environment.as_ref(), cx, (can.segment, can.own_kernel))
                });
                run_trial(actors.collect(), &trial_work, &phases, course.clock())
            }
        };
        trial.noise = Some(course.watch().after(before, findings.throttled));
        let whole = findings.keep(end, phases, &mut trial);
        if is_first {
            self.describe(&parts, segment.as_ref(), &mut trial.facts);
        }
        drop(segment);
        for place in &places {
            remove_folder(&place.work);
            remove_folder(&place.run);
        }
        Ok(Some((trial, whole)))
    }

    /// The parts of a trial with their environments, or why it cannot run.
    fn parts(&self, slot: Slot) -> Result<Vec<(Part, &Ready)>, (Outcome, String)> {
        let parts = match &self.casts[slot.condition] {
            Ok(parts) => parts,
            Err(reason) => return Err((Outcome::Unsupported, reason.clone())),
        };
        let condition = &self.plan.conditions[slot.condition];
        let cast = parts.iter().map(|part| {
            let name = match &part.place {
                Place::UnderTest => key(&condition.environment),
                Place::Fixed(environment) => key(environment),
            };
            match self.environments.get(&name) {
                Some(Ok(ready)) => match ready.environment.unattached().filter(|_| part.is_attached) {
                    Some(why) => Err((Outcome::Unsupported, format!("{name}: {why}"))),
                    None => Ok((part.clone(), ready)),
                },
                Some(Err((outcome, reason))) => Err((*outcome, reason.clone())),
                None => Err((Outcome::Interrupted, "interrupted before it was ready".to_owned())),
            }
        });
        cast.collect()
    }

    /// The segment of a trial, if any part is attached to one.
    fn segment(
        &self,
        parts: &[(Part, &Ready)],
        place: &PartPlace,
    ) -> Result<Option<Arc<Segment>>, DriverError> {
        if !parts.iter().any(|(part, _)| part.is_attached) {
            return Ok(None);
        }
        let deadline = deadline_in(Duration::from_secs_f64(self.plan.timeout), &self.interrupt);
        Segment::make(&place.instance, Shape::default(), self.places.state, &deadline)
            .map(|segment| Some(Arc::new(segment)))
    }

    /// Adds the facts of the ledger that the runner knows.
    fn describe(
        &self,
        parts: &[(Part, &Ready)],
        segment: Option<&Arc<Segment>>,
        facts: &mut BTreeMap<String, String>,
    ) {
        let Some((_, under_test)) = parts.first() else { return };
        facts.extend(under_test.facts.clone());
        let unlimited = under_test.facts.get("budget.enforced").and_then(|how| how.strip_prefix("none"));
        let memory = match unlimited {
            None => self.plan.budget.memory.to_string(),
            Some(_) => "not limited".to_owned(),
        };
        facts.entry("memory".to_owned()).or_insert(memory);
        if let Some(why) = unlimited {
            facts.entry("processes".to_owned()).or_insert_with(|| format!("not limited{why}"));
        }
        for (part, ready) in parts.iter().filter(|_| parts.len() > 1) {
            let name = |what: &str| format!("part.{}.{what}", part.name);
            facts.insert(name("environment"), ready.name.clone());
            facts.insert(name("cpus"), format!("{} (all parts share them)", self.plan.budget.cpus));
        }
        if segment.is_some() {
            let how = match under_test.capabilities.segment {
                Attaching::Host => "the host's end, with an address of its own",
                Attaching::WhenReady => "a veth pair",
                Attaching::Created => "attached by its runtime",
                Attaching::Unsupported => "none",
            };
            facts.insert("segment".to_owned(), how.to_owned());
        }
    }
}

/// Names and folders of one part's instance in a trial.
struct PartPlace {
    instance: String,
    cgroup: String,
    work: PathBuf,
    run: PathBuf,
}

impl PartPlace {
    /// Makes the folders. `part` is for all parts but the first.
    fn make(places: &Places<'_>, position: usize, part: Option<&str>) -> Result<Self, BenchError> {
        let name = match part {
            None => format!("t{position}"),
            Some(part) => format!("t{position}-{part}"),
        };
        let instance = format!("{}-{name}", places.session);
        let run = places.state.new_folder(&name).map_err(|source| BenchError::Io {
            operation: "make folder of",
            subject: instance.clone(),
            source,
        })?;
        let work = places.work.join(&name);
        make_folder(&work)?;
        Ok(Self { cgroup: format!("isotare/{}/{name}", places.session), instance, work, run })
    }
}

/// Resolves the environment's image, adds the files that the workloads need, and prepares the driver. If the
/// image is chosen automatically, it is the first candidate that the driver supports here.
fn prepared(
    driver: &dyn Driver,
    settings: &Settings,
    works: &[Work],
    (cx, cache, unpacking): (&PrepareContext<'_>, &Cache, &Deadline),
) -> Result<Prepared, DriverError> {
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
        Ok((environment, facts))
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

/// The parts of a condition's trials; why it cannot run, if its workload cannot run anywhere.
fn cast(work: &Work) -> Result<Vec<Part>, String> {
    let Work { workload, settings, .. } = work;
    workload.image(settings, &|_| false)?;
    workload.job(settings)?;
    let solo = Solo(workload.as_ref());
    let parts = workload.scenario().unwrap_or(&solo).parts(settings)?;
    match parts.is_empty() {
        true => Err(format!("the scenario of {} has no part", workload.name())),
        false => Ok(parts),
    }
}

/// Environments are prepared once for all replicas.
fn key(environment: &EnvironmentSpec) -> String {
    EnvironmentSpec { replica: None, ..environment.clone() }.to_string()
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
