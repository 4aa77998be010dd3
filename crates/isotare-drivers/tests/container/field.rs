//! A session for each test, with everything that drivers need, and a check of what is left of it.

use isotare_core::{
    Budget, Deadline, Driver, Environment, Image, Instance, InstanceContext, Interrupt, Ledger,
    PrepareContext, Settings, with_sources,
};
use isotare_host::{AgentClient, SessionState, Swept, deadline_in, make_run_folder, sweep};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNT: AtomicU32 = AtomicU32::new(0);

pub struct Field {
    pub session: String,
    pub folder: tempfile::TempDir,
    pub state: SessionState,
    pub agent: PathBuf,
    pub budget: Budget,
    pub interrupt: Interrupt,
}

/// The names and folders of one trial.
pub struct Trial {
    pub instance: String,
    pub cgroup: String,
    work: PathBuf,
    run: PathBuf,
    budget: Budget,
    interrupt: Interrupt,
}

/// The agent; `None`: the tests cannot run, and the reason was printed.
pub fn agent() -> Option<PathBuf> {
    let named = std::env::var_os("ISOTARE_AGENT").map(PathBuf::from);
    let target = Path::new(env!("CARGO_BIN_EXE_isotare-container-broker")).ancestors().nth(2);
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let built = ["release", "debug"]
        .map(|profile| target.map(|dir| dir.join(&triple).join(profile).join("isotare-agent")));
    named.into_iter().chain(built.into_iter().flatten()).find(|path| path.is_file())
}

/// A session; `None`: the tests cannot run, and the reason was printed.
pub fn field() -> Option<Field> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return None;
    }
    Field::new()
}

impl Field {
    pub fn new() -> Option<Self> {
        isotare_drivers::set_helper_program(env!("CARGO_BIN_EXE_isotare-container-broker"));
        let Some(agent) = agent() else {
            eprintln!("skipped: no static agent; set ISOTARE_AGENT");
            return None;
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let session = format!("ctest-{}-{number}", std::process::id());
        let folder = tempfile::Builder::new().prefix("isotare-c").tempdir().expect("a folder");
        let state = SessionState::create(&folder.path().join("state"), &session).expect("a session");
        let budget = Budget { cpus: "0".parse().expect("a list"), memory: 256 << 20, processes: Some(300) };
        Some(Self { session, folder, state, agent, budget, interrupt: Interrupt::default() })
    }

    pub fn deadline(&self) -> Deadline {
        deadline_in(Duration::from_secs(20), &self.interrupt)
    }

    pub fn prepare(&self, settings: &[(&str, &str)]) -> Box<dyn Environment> {
        let (driver, settings) = checked(settings);
        let work = self.folder.path().join("environment");
        std::fs::create_dir_all(&work).expect("a folder");
        let mut image = Image::default();
        for program in ["sh", "cat", "unshare", "mount", "dmesg"] {
            image.extend(isotare_workloads::closure(program).expect("a program of every Debian").1);
        }
        driver.prepare(&settings, &image, &self.context(&work)).expect("prepared")
    }

    pub fn context<'a>(&'a self, work: &'a Path) -> PrepareContext<'a> {
        PrepareContext {
            session: &self.session,
            work,
            agent: &self.agent,
            budget: &self.budget,
            is_attached: false,
            ledger: &self.state,
            deadline: self.deadline(),
        }
    }

    pub fn trial(&self, name: &str) -> Trial {
        let instance = format!("{}-{name}", self.session);
        let (work, run) =
            (self.folder.path().join(name).join("work"), self.folder.path().join(name).join("run"));
        std::fs::create_dir_all(&work).expect("a folder");
        make_run_folder(&run).expect("a folder");
        Trial {
            cgroup: format!("isotare/{}/{instance}", self.session),
            instance,
            work,
            run,
            budget: self.budget.clone(),
            interrupt: self.interrupt.clone(),
        }
    }

    /// Removes all recorded resources. Panics if one of them cannot be removed. Returns the number of those
    /// that still existed.
    pub fn sweep(&self) -> usize {
        let mut removed = 0;
        for resource in self.state.recorded().expect("readable").iter().rev() {
            match sweep(resource, &self.deadline()) {
                Swept::Removed => removed += 1,
                Swept::Absent => {}
                other => panic!("{resource:?}: {other:?}"),
            }
        }
        removed
    }

    /// Everything of this session that still exists in the kernel.
    pub fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<String> = Vec::new();
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let group = hierarchy.path().join("isotare").join(&self.session);
            let children = std::fs::read_dir(&group).into_iter().flatten().flatten();
            left.extend(children.filter(|e| e.path().is_dir()).map(|e| e.path().display().to_string()));
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
        let folder = self.folder.path().display().to_string();
        left.extend(mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned));
        for process in std::fs::read_dir("/proc").expect("readable").flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let mounts = std::fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
            let ours = mounts.lines().any(|line| line.contains(&folder));
            let own = process.file_name().to_string_lossy() == std::process::id().to_string();
            if ours && !own {
                left.push(format!("process {:?} {}", process.file_name(), String::from_utf8_lossy(&command)));
            }
        }
        left
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        if let Ok(hierarchies) = isotare_cgroup::Hierarchies::discover() {
            let _left = hierarchies.remove_tree(&format!("isotare/{}", self.session));
        }
    }
}

impl Trial {
    pub fn context<'a>(&'a self, ledger: &'a dyn Ledger, session: &'a str) -> InstanceContext<'a> {
        InstanceContext {
            session,
            instance: &self.instance,
            cgroup: &self.cgroup,
            work: &self.work,
            run: &self.run,
            budget: &self.budget,
            network: None,
            ledger,
            deadline: deadline_in(Duration::from_secs(20), &self.interrupt),
            mark: &|_| {},
        }
    }
}

pub fn checked(settings: &[(&str, &str)]) -> (&'static dyn Driver, Settings) {
    let driver = isotare_drivers::find("container").expect("listed");
    let settings = Settings::check("driver container", driver.settings(), settings.iter().copied());
    (driver, settings.expect("valid"))
}

/// Creates an instance, starts it and waits until it is ready.
pub fn bring_up(environment: &dyn Environment, cx: &InstanceContext<'_>) -> (Box<dyn Instance>, AgentClient) {
    let mut instance = environment.create(cx).expect("created");
    let ready = instance.start(cx).and_then(|()| instance.wait_ready(cx));
    let stream = ready.unwrap_or_else(|error| panic!("{}\n{}", with_sources(&error), instance.diagnostics()));
    let agent = AgentClient::greet(stream, &cx.deadline).expect("greets");
    (instance, agent)
}

/// Ends the agent, then stops and deletes the instance.
pub fn take_down(mut instance: Box<dyn Instance>, mut agent: AgentClient, cx: &InstanceContext<'_>) {
    agent.power_off(&cx.deadline).expect("told");
    instance.stop(Duration::from_secs(5), cx).expect("stopped");
    instance.delete(cx).expect("deleted");
    instance.delete(cx).expect("deleted twice");
}
