//! A small session for conformance checks: folders, a record, one environment, any number of instances.

use isotare_cgroup::Hierarchies;
use isotare_core::{
    Budget, CpuSet, Driver, DriverError, Environment, Image, Instance, Interrupt, JobOutput, PrepareContext,
    Resource, RuntimeInfo, Settings, TrialContext, Unavailable,
};
use isotare_host::{AgentClient, AgentError, SessionState, Swept, deadline_in, sweep};
use isotare_protocol::Job;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Memory of the instances.
const MEMORY: u64 = 256 << 20;
/// Time for any one step.
const STEP: Duration = Duration::from_secs(40);

/// One environment in a session of its own.
pub struct Bed<'a> {
    agent: &'a Path,
    /// What every instance gets.
    pub budget: Budget,
    session: String,
    state: SessionState,
    root: tempfile::TempDir,
    environment: Option<Box<dyn Environment>>,
    instances: u32,
}

/// One instance with its agent, once it is ready.
pub struct Life {
    /// The instance.
    pub instance: Box<dyn Instance>,
    agent: Option<AgentClient>,
    place: Place,
}

struct Place {
    session: String,
    instance: String,
    cgroup: String,
    work: PathBuf,
    run: PathBuf,
    budget: Budget,
}

impl Place {
    fn with<T>(&self, then: impl FnOnce(&TrialContext<'_>) -> Result<T, DriverError>) -> Result<T, String> {
        let state = isotare_core::NoLedger;
        self.with_ledger(&state, then)
    }

    fn with_ledger<T>(
        &self,
        ledger: &dyn isotare_core::Ledger,
        then: impl FnOnce(&TrialContext<'_>) -> Result<T, DriverError>,
    ) -> Result<T, String> {
        let cx = TrialContext {
            session: &self.session,
            instance: &self.instance,
            cgroup: &self.cgroup,
            work: &self.work,
            run: &self.run,
            budget: &self.budget,
            ledger,
            deadline: deadline_in(STEP, &Interrupt::default()),
            mark: &|_| {},
        };
        then(&cx).map_err(|error| error.to_string())
    }
}

impl<'a> Bed<'a> {
    /// A session of its own below the temporary folder, on the first CPU that this process may use.
    pub fn new(agent: &'a Path) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let root = tempfile::Builder::new().prefix("isotare-bed").tempdir_in("/var/tmp").map_err(text)?;
        std::fs::create_dir(root.path().join("work")).map_err(text)?;
        let session =
            root.path().file_name().map(|name| name.to_string_lossy().replace('.', "")).unwrap_or_default();
        let session = session.trim_start_matches("isotare-").to_owned();
        let state = SessionState::create(&root.path().join("s"), &session).map_err(text)?;
        let allowed = rustix::thread::sched_getaffinity(None).map_err(|error| error.to_string())?;
        let first = (0..1024).find(|&cpu| allowed.is_set(cpu)).and_then(|cpu| u32::try_from(cpu).ok());
        let cpus = CpuSet::new(first).ok_or("this process may use no CPU")?;
        let budget = Budget { cpus, memory: MEMORY };
        Ok(Self { agent, budget, session, state, root, environment: None, instances: 0 })
    }

    fn preparing<T>(&self, then: impl FnOnce(&PrepareContext<'_>) -> T) -> Result<T, String> {
        let work = tempfile::tempdir_in(self.root.path()).map_err(|error| error.to_string())?.keep();
        Ok(then(&PrepareContext {
            session: &self.session,
            work: &work,
            agent: self.agent,
            budget: &self.budget,
            ledger: &self.state,
            deadline: deadline_in(3 * STEP, &Interrupt::default()),
        }))
    }

    /// Whether the environment works here.
    pub fn probe(&mut self, driver: &dyn Driver, settings: &Settings) -> Result<RuntimeInfo, Unavailable> {
        self.preparing(|cx| driver.probe(settings, cx))
            .map_err(|error| Unavailable::new(error, "make room in /var/tmp"))?
    }

    /// Makes it ready.
    pub fn prepare(&mut self, driver: &dyn Driver, settings: &Settings, image: &Image) -> Result<(), String> {
        let environment =
            self.preparing(|cx| driver.prepare(settings, image, cx))?.map_err(|error| error.to_string())?;
        self.environment = Some(environment);
        Ok(())
    }

    /// Whether CPUs and memory are limited at all (without root and delegated cgroups they are not).
    pub fn budget_is_enforced(&self) -> bool {
        let facts = self.environment.as_ref().map(|environment| environment.facts()).unwrap_or_default();
        !facts.get("budget.enforced").is_some_and(|value| value.starts_with("none"))
    }

    /// An instance that has been created.
    pub fn create(&mut self) -> Result<Life, String> {
        let number = self.instances;
        self.instances += 1;
        let text = |error: std::io::Error| error.to_string();
        let run = self.state.new_folder(&format!("t{number}")).map_err(text)?;
        let work = self.root.path().join(format!("work/t{number}"));
        std::fs::create_dir(&work).map_err(text)?;
        let place = Place {
            session: self.session.clone(),
            instance: format!("{}-t{number}", self.session),
            cgroup: format!("isotare/{}/t{number}", self.session),
            work,
            run,
            budget: self.budget.clone(),
        };
        let environment = self.environment.as_mut().ok_or("nothing is prepared")?;
        let instance = place.with_ledger(&self.state, |cx| environment.create(cx))?;
        Ok(Life { instance, agent: None, place })
    }

    /// An instance that has been started.
    pub fn started(&mut self) -> Result<Life, String> {
        let mut life = self.create()?;
        let Life { instance, place, .. } = &mut life;
        place.with_ledger(&self.state, |cx| instance.start(cx))?;
        Ok(life)
    }

    /// An instance whose agent has said hello.
    pub fn begin(&mut self) -> Result<Life, String> {
        let mut life = self.started()?;
        let Life { instance, place, agent } = &mut life;
        let stream = place.with(|cx| instance.wait_ready(cx));
        let stream = stream.map_err(|error| format!("{error}\n{}", instance.diagnostics()))?;
        let greeted = AgentClient::greet(stream, &deadline_in(STEP, &Interrupt::default()));
        *agent = Some(greeted.map_err(|error| format!("{error}\n{}", instance.diagnostics()))?);
        Ok(life)
    }

    /// Undoes the preparation and looks for anything that is still there.
    pub fn leave(mut self) -> Result<(), String> {
        self.environment = None;
        let deadline = deadline_in(STEP, &Interrupt::default());
        let mut left = Vec::new();
        // The group that holds the instances' groups is the session's own, and goes with it.
        let group = Resource::Cgroup { path: format!("isotare/{}", self.session) };
        for resource in self.state.recorded().map_err(|error| error.to_string())?.iter().rev() {
            match sweep(resource, &deadline) {
                Swept::Removed if *resource == group => {}
                Swept::Absent | Swept::NeedsDriver => {}
                found => left.push(format!("{resource:?}: {found:?}")),
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        left.extend(
            mounts.lines().filter(|line| line.contains(&self.session)).map(|line| format!("mount {line}")),
        );
        left.extend(processes_naming(&self.session));
        if let Swept::Failed(why) = sweep(&group, &deadline) {
            left.push(why);
        }
        // Without cgroups there is nothing to remove.
        let _no_cgroups = Hierarchies::discover().and_then(|all| all.remove_if_empty("isotare"));
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    }
}

impl Life {
    /// Runs a job.
    pub fn try_run(&mut self, job: Job) -> Result<JobOutput, AgentError> {
        let agent = self.agent.as_mut().ok_or(AgentError::Closed)?;
        agent
            .run(&job, None, &deadline_in(STEP, &Interrupt::default()), &mut |_| {})
            .map(|(output, _)| output)
    }

    /// Runs a job that has to work.
    pub fn run(&mut self, job: Job) -> Result<JobOutput, String> {
        let console = |life: &Self| life.instance.diagnostics();
        self.try_run(job).map_err(|error| format!("{error}\n{}", console(self)))
    }

    /// What the agent sees.
    pub fn facts(&mut self) -> Result<BTreeMap<String, String>, String> {
        let agent = self.agent.as_mut().ok_or("no agent")?;
        agent.facts(&deadline_in(STEP, &Interrupt::default())).map_err(|error| error.to_string())
    }

    /// Kills the instance's workload processes from outside.
    pub fn kill_workload(&mut self) -> Result<(), String> {
        let deadline = deadline_in(STEP, &Interrupt::default());
        for member in self.instance.footprint().members.iter().filter(|member| !member.shared) {
            if let Some(process) = isotare_host::identify(member.pid)
                && let Swept::Failed(why) = sweep(&Resource::Process(process), &deadline)
            {
                return Err(why);
            }
        }
        Ok(())
    }

    /// The polite end.
    pub fn end(mut self) -> Result<(), String> {
        if let Some(agent) = &mut self.agent {
            agent.power_off(&deadline_in(STEP, &Interrupt::default())).map_err(|error| error.to_string())?;
        }
        let Life { instance, place, .. } = &mut self;
        place.with(|cx| instance.stop(STEP / 2, cx))?;
        self.abandon()
    }

    /// Deletes it as it is, twice.
    pub fn abandon(mut self) -> Result<(), String> {
        let Life { instance, place, .. } = &mut self;
        place.with(|cx| instance.delete(cx))?;
        place.with(|cx| instance.delete(cx)).map_err(|error| format!("the second delete: {error}"))
    }
}

/// Processes whose command line holds the session's name.
fn processes_naming(session: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(session).then(|| format!("process {}: {line}", entry.file_name().to_string_lossy()))
        })
        .collect()
}
