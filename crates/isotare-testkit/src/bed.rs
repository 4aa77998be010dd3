//! A small session for conformance checks, with folders, a record, one environment, and any number of
//! instances.

use isotare_cgroup::Hierarchies;
use isotare_core::{
    Attaching, Attachment, Budget, CONTROL_FOLDER, CpuSet, Driver, DriverError, Environment, Image, Instance,
    InstanceContext, Interrupt, JobOutput, Member, PrepareContext, Resource, Role, RuntimeInfo, Settings,
    Unavailable, with_sources,
};
use isotare_host::{AgentClient, AgentError, JobEvent, OutputTap, SessionState, Swept, deadline_in, sweep};
use isotare_protocol::{Job, Service};
use isotare_segment::{End, Segment, Shape, attach};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Memory of each instance.
const MEMORY: u64 = 256 << 20;

/// Limit of processes of each instance. It is so small that a shell reaches it at once, and large enough for
/// the processes that runtimes start.
const PROCESSES: u32 = 256;

/// Time limit for each step. It is only reached if something hangs. Docker, for example, takes more than a
/// minute to remove a gVisor container that has reached its limit of processes.
const STEP: Duration = Duration::from_secs(150);

/// One environment in a separate session.
pub struct Bed<'a> {
    agent: &'a Path,
    /// The budget of every instance.
    pub budget: Budget,
    session: String,
    state: SessionState,
    root: PathBuf,
    /// The root is removed when this is dropped, if it belongs to this session.
    _owned: Option<tempfile::TempDir>,
    environment: Option<Box<dyn Environment>>,
    owns_kernel: bool,
    attaching: Attaching,
    instances: u32,
}

/// An instance, with its agent if it is ready.
pub struct Life {
    /// The instance.
    pub instance: Box<dyn Instance>,
    agent: Option<AgentClient>,
    /// A second handle of the agent's connection.
    wire: Option<UnixStream>,
    name: String,
    place: Place,
}

struct Place {
    session: String,
    instance: String,
    cgroup: String,
    work: PathBuf,
    run: PathBuf,
    budget: Budget,
    network: Option<Arc<End>>,
}

impl Place {
    fn with<T>(
        &self,
        then: impl FnOnce(&InstanceContext<'_>) -> Result<T, DriverError>,
    ) -> Result<T, String> {
        let state = isotare_core::NoLedger;
        self.with_ledger(&state, then)
    }

    fn with_ledger<T>(
        &self,
        ledger: &dyn isotare_core::Ledger,
        then: impl FnOnce(&InstanceContext<'_>) -> Result<T, DriverError>,
    ) -> Result<T, String> {
        let cx = InstanceContext {
            session: &self.session,
            instance: &self.instance,
            cgroup: &self.cgroup,
            work: &self.work,
            run: &self.run,
            budget: &self.budget,
            network: self.network.as_deref().map(|end| end as &dyn Attachment),
            ledger,
            deadline: deadline_in(STEP, &Interrupt::default()),
            mark: &|_| {},
        };
        then(&cx).map_err(|error| with_sources(&error))
    }
}

impl<'a> Bed<'a> {
    /// A separate session below the temporary folder, on the first CPU that this process may use.
    pub fn new(agent: &'a Path) -> Result<Self, String> {
        let owned = Self::folder()?;
        let bed = Self::below(owned.path(), agent)?;
        Ok(Self { _owned: Some(owned), ..bed })
    }

    /// A folder for a session.
    pub(crate) fn folder() -> Result<tempfile::TempDir, String> {
        let made = tempfile::Builder::new().prefix("isotare-bed").tempdir_in("/var/tmp");
        made.map_err(|error| error.to_string())
    }

    /// A session in a folder of [`Bed::folder`]. The owner of the folder removes it.
    pub(crate) fn below(root: &Path, agent: &'a Path) -> Result<Self, String> {
        let text = |error: std::io::Error| with_sources(&error);
        std::fs::create_dir(root.join("work")).map_err(text)?;
        let session = session_of(root);
        let state = SessionState::create(&root.join("s"), &session).map_err(text)?;
        let allowed = rustix::thread::sched_getaffinity(None).map_err(|error| error.to_string())?;
        let first = (0..1024).find(|&cpu| allowed.is_set(cpu)).and_then(|cpu| u32::try_from(cpu).ok());
        let cpus = CpuSet::new(first).ok_or("this process may use no CPU")?;
        let budget = Budget { cpus, memory: MEMORY, processes: Some(PROCESSES) };
        let root = root.to_owned();
        Ok(Self {
            agent,
            budget,
            session,
            state,
            root,
            _owned: None,
            environment: None,
            owns_kernel: false,
            attaching: Attaching::Unsupported,
            instances: 0,
        })
    }

    fn preparing<T>(&self, then: impl FnOnce(&PrepareContext<'_>) -> T) -> Result<T, String> {
        let work = tempfile::tempdir_in(&self.root).map_err(|error| error.to_string())?.keep();
        Ok(then(&PrepareContext {
            session: &self.session,
            work: &work,
            agent: self.agent,
            budget: &self.budget,
            is_attached: self.attaching != Attaching::Unsupported,
            ledger: &self.state,
            deadline: deadline_in(3 * STEP, &Interrupt::default()),
        }))
    }

    /// Whether the environment works here.
    pub fn probe(&mut self, driver: &dyn Driver, settings: &Settings) -> Result<RuntimeInfo, Unavailable> {
        self.preparing(|cx| driver.probe(settings, cx))
            .map_err(|error| Unavailable::new(error, "make room in /var/tmp"))?
    }

    /// Prepares the environment.
    pub fn prepare(&mut self, driver: &dyn Driver, settings: &Settings, image: &Image) -> Result<(), String> {
        self.attaching = driver.capabilities().segment;
        let environment = self
            .preparing(|cx| driver.prepare(settings, image, cx))?
            .map_err(|error| with_sources(&error))?;
        if environment.unattached().is_some() {
            self.attaching = Attaching::Unsupported;
        }
        self.environment = Some(environment);
        self.owns_kernel = driver.capabilities().own_kernel;
        Ok(())
    }

    /// How its instances are attached to a segment.
    pub fn attaching(&self) -> Attaching {
        self.attaching
    }

    /// A segment for its instances.
    pub fn segment(&self) -> Result<Arc<Segment>, String> {
        let deadline = deadline_in(STEP, &Interrupt::default());
        let made = Segment::make(&self.session, Shape::default(), &self.state, &deadline);
        made.map(Arc::new).map_err(|error| error.to_string())
    }

    /// An instance whose agent has said hello, with this end of a segment.
    pub fn begin_attached(&mut self, end: End) -> Result<Life, String> {
        let deadline = deadline_in(STEP, &Interrupt::default());
        attach(&end, self.attaching, None, &deadline).map_err(|error| error.to_string())?;
        let end = Arc::new(end);
        let mut life = self.create_with(&format!("t{}", self.instances), Some(Arc::clone(&end)))?;
        let Life { instance, place, .. } = &mut life;
        place.with_ledger(&self.state, |cx| instance.start(cx))?;
        life.wait_ready_for(STEP)?;
        let done = attach(end.as_ref(), self.attaching, Some(life.instance.as_ref()), &deadline);
        done.map_err(|error| error.to_string()).map(|()| life)
    }

    /// Whether its instances have their own kernel.
    pub fn owns_kernel(&self) -> bool {
        self.owns_kernel
    }

    /// The reason why CPUs and memory are not limited, for example without root and delegated cgroups;
    /// `None`: they are limited.
    pub fn unlimited(&self) -> Option<String> {
        let mut facts = self.environment.as_ref().map(|environment| environment.facts()).unwrap_or_default();
        facts.remove("budget.enforced").filter(|value| value.starts_with("none"))
    }

    /// An instance that has been created.
    pub fn create(&mut self) -> Result<Life, String> {
        self.create_named(&format!("t{}", self.instances))
    }

    /// The same with this name. Its folders are always separate.
    pub fn create_named(&mut self, name: &str) -> Result<Life, String> {
        self.create_with(name, None)
    }

    fn create_with(&mut self, name: &str, network: Option<Arc<End>>) -> Result<Life, String> {
        let number = self.instances;
        self.instances += 1;
        let text = |error: std::io::Error| with_sources(&error);
        let run = self.state.new_folder(&format!("t{number}")).map_err(text)?;
        let work = self.root.join(format!("work/t{number}"));
        std::fs::create_dir(&work).map_err(text)?;
        let place = Place {
            session: self.session.clone(),
            instance: format!("{}-{name}", self.session),
            cgroup: format!("isotare/{}/{name}", self.session),
            work,
            run,
            budget: self.budget.clone(),
            network,
        };
        let environment = self.environment.as_mut().ok_or("nothing is prepared")?;
        let instance = place.with_ledger(&self.state, |cx| environment.create(cx))?;
        Ok(Life { instance, agent: None, wire: None, name: name.to_owned(), place })
    }

    /// Writes a file with this text into the session's folder. Only the owner may read it.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.root.join(name);
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok(path)
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
        life.wait_ready_for(STEP)?;
        Ok(life)
    }

    /// Undoes the preparation and looks for anything that is still there.
    pub fn leave(mut self, driver: &dyn Driver) -> Result<(), String> {
        self.environment = None;
        let deadline = deadline_in(STEP, &Interrupt::default());
        let mut left = Vec::new();
        // The group that contains the groups of instances belongs to the session and is removed with it.
        let group = Resource::Cgroup { path: format!("isotare/{}", self.session) };
        for resource in self.state.recorded().map_err(|error| with_sources(&error))?.iter().rev() {
            match sweep(resource, &deadline) {
                Swept::Removed if *resource == group => {}
                Swept::Absent => {}
                Swept::NeedsDriver => match driver.release(resource, &deadline) {
                    Ok(false) => {}
                    found => left.push(format!("{resource:?}: {found:?}")),
                },
                found => left.push(format!("{resource:?}: {found:?}")),
            }
        }
        left.extend(traces(&self.session));
        if let Swept::Failed(why) = sweep(&group, &deadline) {
            left.push(why);
        }
        // Without cgroups, nothing has to be removed.
        let _no_cgroups = Hierarchies::discover().and_then(|all| all.remove_if_empty("isotare"));
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    }
}

impl Life {
    /// Its name in the session.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the agent and greets it.
    pub fn wait_ready_for(&mut self, time: Duration) -> Result<(), String> {
        let Life { instance, place, agent, wire, .. } = self;
        let deadline = deadline_in(time, &Interrupt::default());
        let stream = place.with(|cx| instance.wait_ready(&cx.until(deadline.at)));
        let stream = stream.map_err(|error| format!("{error}\n{}", instance.diagnostics()))?;
        *wire = stream.try_clone().ok();
        let greeted = AgentClient::greet(stream, &deadline);
        *agent =
            Some(greeted.map_err(|error| format!("{}\n{}", with_sources(&error), instance.diagnostics()))?);
        Ok(())
    }

    /// The folder of the host that the instance sees as its control folder.
    pub fn control(&self) -> PathBuf {
        self.place.run.join(CONTROL_FOLDER)
    }

    /// Waits until it ends without having been asked to.
    pub fn stop_within(&mut self, grace: Duration) -> Result<(), String> {
        let Life { instance, place, .. } = self;
        place.with(|cx| instance.stop(grace, cx))
    }

    /// A second handle of the agent's connection, to write to it while a job runs.
    pub fn wire(&self) -> Result<UnixStream, String> {
        let wire = self.wire.as_ref().ok_or("no agent")?;
        wire.try_clone().map_err(|error| error.to_string())
    }

    /// Runs a job, and calls a function when it is being measured.
    pub fn run_heard(
        &mut self,
        job: Job,
        heard: &mut dyn FnMut() -> Result<(), String>,
    ) -> Result<JobOutput, String> {
        let agent = self.agent.as_mut().ok_or("no agent")?;
        let mut done = Ok(());
        let ran = run(agent, &job, &mut |_| done = heard());
        done?;
        ran.map_err(|error| with_sources(&error))
    }

    /// Starts a service and waits until it is ready.
    pub fn serve(&mut self, service: &Service) -> Result<(), String> {
        let agent = self.agent.as_mut().ok_or("no agent")?;
        let deadline = deadline_in(STEP, &Interrupt::default());
        agent.serve(1, service, &deadline).map_err(|error| with_sources(&error))
    }

    /// Runs a job.
    pub fn try_run(&mut self, job: Job) -> Result<JobOutput, AgentError> {
        let agent = self.agent.as_mut().ok_or(AgentError::Closed)?;
        run(agent, &job, &mut |_| {})
    }

    /// Runs a job that must succeed.
    pub fn run(&mut self, job: Job) -> Result<JobOutput, String> {
        let console = |life: &Self| life.instance.diagnostics();
        self.try_run(job).map_err(|error| format!("{}\n{}", with_sources(&error), console(self)))
    }

    /// The facts that the agent sees.
    pub fn facts(&mut self) -> Result<BTreeMap<String, String>, String> {
        let agent = self.agent.as_mut().ok_or("no agent")?;
        agent.facts(&deadline_in(STEP, &Interrupt::default())).map_err(|error| with_sources(&error))
    }

    /// Whether the workload is a process of this host.
    pub fn has_workload_here(&self) -> bool {
        self.instance.footprint().members.iter().any(is_own)
    }

    /// Kills the workload processes of the instance from outside. Its shim stays alive and must notice this.
    pub fn kill_workload(&mut self) -> Result<(), String> {
        let deadline = deadline_in(STEP, &Interrupt::default());
        for member in self.instance.footprint().members.iter().filter(|member| is_own(member)) {
            if let Some(process) = isotare_host::identify(member.pid)
                && let Swept::Failed(why) = sweep(&Resource::Process(process), &deadline)
            {
                return Err(why);
            }
        }
        Ok(())
    }

    /// Ends it normally.
    pub fn end(mut self) -> Result<(), String> {
        if let Some(agent) = &mut self.agent {
            agent
                .power_off(&deadline_in(STEP, &Interrupt::default()))
                .map_err(|error| with_sources(&error))?;
        }
        let Life { instance, place, .. } = &mut self;
        place.with(|cx| instance.stop(STEP / 2, cx))?;
        self.abandon()
    }

    /// Deletes it without stopping it, twice.
    pub fn abandon(mut self) -> Result<(), String> {
        let Life { instance, place, .. } = &mut self;
        place.with(|cx| instance.delete(cx))?;
        place.with(|cx| instance.delete(cx)).map_err(|error| format!("the second delete: {error}"))
    }
}

fn run(agent: &mut AgentClient, job: &Job, event: &mut dyn FnMut(JobEvent)) -> Result<JobOutput, AgentError> {
    let mut tap = OutputTap::default();
    let done = agent.run(job, None, &deadline_in(STEP, &Interrupt::default()), &mut tap, event)?;
    Ok(JobOutput { result: done.result, streams: tap.finish().0 })
}

fn is_own(member: &Member) -> bool {
    !member.shared && member.role != Role::Shim
}

impl Drop for Life {
    /// Deletes the instance if a rule failed before its end.
    fn drop(&mut self) {
        let Life { instance, place, .. } = self;
        // If this fails, the rule about leftovers reports it.
        let _told_elsewhere = place.with(|cx| instance.delete(cx));
    }
}

/// The session in a folder of [`Bed::folder`].
pub(crate) fn session_of(root: &Path) -> String {
    let name = root.file_name().map(|name| name.to_string_lossy().replace('.', "")).unwrap_or_default();
    name.trim_start_matches("isotare-").to_owned()
}

/// Mounts, links, network namespaces and processes of the host whose names contain that of the session.
pub(crate) fn traces(session: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter(|line| line.contains(session)).map(|line| format!("mount {line}"));
    let named = ["/sys/class/net", "/run/netns"].into_iter().flat_map(|folder| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(move |entry| format!("{folder}/{}", entry.file_name().to_string_lossy()))
    });
    mounts.chain(named.filter(|name| name.contains(session))).chain(processes_naming(session)).collect()
}

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
