//! Tests of the driver `docker` with a private daemon.
//!
//! `ISOTARE_AGENT` names the agent. Without an agent, or if no daemon can be started, a test prints a message
//! and does nothing.

use isotare_core::{
    Budget, CpuSet, DATA_DIR, Deadline, Driver, DriverError, Environment, Image, Instance, InstanceContext,
    Interrupt, Ledger, PrepareContext, Resource, Role, Settings, Source, with_sources,
};
use isotare_drivers::find;
use isotare_host::{AgentClient, SessionState, deadline_in, make_run_folder, now};
use isotare_testkit::dockerd::PrivateDockerd;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A daemon, a session, and what both need.
struct Bench {
    daemon: PrivateDockerd,
    /// Dropped after the daemon, because the daemon ends containers that a test left.
    cgroups: SessionCgroups,
    folder: tempfile::TempDir,
    session: String,
    state: SessionState,
    /// The mounts of the daemon before it had a container.
    mounts: Vec<String>,
    agent: PathBuf,
    budget: Budget,
    interrupt: Interrupt,
}

impl Bench {
    /// `None`: it cannot be set up, and the reason was printed on stderr.
    fn new(name: &str) -> Option<Self> {
        let skip = |why: &str| {
            writeln!(std::io::stderr(), "skipped: {why}").expect("stderr");
            None
        };
        if let Some(why) = PrivateDockerd::missing() {
            return skip(&why);
        }
        let Some(agent) = std::env::var_os("ISOTARE_AGENT").map(PathBuf::from) else {
            return skip("ISOTARE_AGENT names no agent program");
        };
        let session = format!("t-{name}-{}", std::process::id());
        let folder = tempfile::tempdir().expect("a folder");
        let state = SessionState::create(&folder.path().join("state"), &session).expect("a session");
        let budget =
            Budget { cpus: CpuSet::new([0]).expect("a CPU"), memory: 256 << 20, processes: Some(300) };
        let daemon = PrivateDockerd::start().expect("a daemon");
        let (mounts, interrupt) = (mounts_below(&daemon), Interrupt::default());
        let cgroups = SessionCgroups(session.clone());
        Some(Self { daemon, cgroups, folder, session, state, mounts, agent, budget, interrupt })
    }

    fn settings(&self, more: &[(&str, &str)]) -> Settings {
        let pairs = [("host", self.daemon.host())].into_iter().chain(more.iter().copied());
        Settings::check("driver docker", docker().settings(), pairs).expect("valid settings")
    }

    fn within(&self, time: Duration) -> Deadline {
        deadline_in(time, &self.interrupt)
    }

    fn preparation<'a>(&'a self, work: &'a Path) -> PrepareContext<'a> {
        fs::create_dir_all(work).expect("a folder");
        PrepareContext {
            session: &self.session,
            work,
            agent: &self.agent,
            budget: &self.budget,
            is_attached: false,
            ledger: &self.state,
            deadline: self.within(Duration::from_secs(60)),
        }
    }

    fn prepare(&self, settings: &Settings, image: &Image) -> Box<dyn Environment> {
        let work = self.folder.path().join("prepare");
        docker().prepare(settings, image, &self.preparation(&work)).expect("prepared")
    }

    /// Calls `body` with the context of one trial.
    fn trial<T>(&self, name: &str, body: impl FnOnce(&InstanceContext<'_>) -> T) -> T {
        let instance = format!("{}-{name}", self.session);
        let [work, run] = ["work", "run"].map(|kind| self.folder.path().join(kind).join(name));
        fs::create_dir_all(&work).expect("a folder");
        fs::create_dir_all(self.folder.path().join("run")).expect("a folder");
        make_run_folder(&run).expect("a folder");
        let result = body(&InstanceContext {
            session: &self.session,
            instance: &instance,
            cgroup: &format!("isotare/{}/{instance}", self.session),
            work: &work,
            run: &run,
            budget: &self.budget,
            network: None,
            ledger: &self.state,
            deadline: self.within(Duration::from_secs(30)),
            mark: &|_| {},
        });
        for folder in [&work, &run] {
            fs::remove_dir_all(folder).expect("removed");
        }
        result
    }

    fn signal(&self, signal: Signal) {
        let pid = self.daemon.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("a running daemon"), signal).expect("signalled");
    }

    fn list(&self, path: &str) -> String {
        self.daemon.ask("GET", path, &[]).expect("the daemon answers").trim().to_owned()
    }

    /// Containers and images of the daemon, mounts of its containers and cgroups of the session's instances.
    fn leftovers(&self) -> Vec<String> {
        let mut found = vec![self.list("/containers/json?all=1"), self.list("/images/json?all=1")];
        let more = |mount: &String| !self.mounts.contains(mount);
        found.extend(mounts_below(&self.daemon).into_iter().filter(more));
        for group in self.cgroups.list() {
            let children = fs::read_dir(&group).expect("a cgroup").flatten();
            found.extend(
                children.filter(|entry| entry.path().is_dir()).map(|e| e.path().display().to_string()),
            );
        }
        found.retain(|line| line != "[]");
        found
    }
}

/// The cgroups of the containers of a session. Dropping it removes them.
struct SessionCgroups(String);

impl SessionCgroups {
    fn list(&self) -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        let roots = mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (point, kind) = (fields.next()?, fields.next()?);
            kind.starts_with("cgroup").then(|| Path::new(point).join("isotare").join(&self.0))
        });
        roots.filter(|path| path.is_dir()).collect()
    }
}

impl Drop for SessionCgroups {
    fn drop(&mut self) {
        for group in self.list() {
            // The daemon has already removed the cgroups of its containers. A hierarchy that is mounted twice
            // shows the same group twice.
            let removed = fs::remove_dir(&group);
            if let Some(parent) = group.parent() {
                // Other tests may be using it.
                let _in_use = fs::remove_dir(parent);
            }
            let gone =
                removed.as_ref().err().is_none_or(|error| error.kind() == std::io::ErrorKind::NotFound);
            assert!(gone || std::thread::panicking(), "{removed:?}");
        }
    }
}

fn docker() -> &'static dyn Driver {
    find("docker").expect("the driver")
}

/// Mounts in the daemon's folder.
fn mounts_below(daemon: &PrivateDockerd) -> Vec<String> {
    let folder = daemon.host().trim_start_matches("unix://").trim_end_matches("docker.sock");
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    // `default` is the network of the host. A daemon keeps it after its first use.
    let found = mounts.lines().filter(|line| line.contains(folder) && !line.contains("/netns/default "));
    found.map(str::to_owned).collect()
}

/// Median of times, ms.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn ready(instance: &mut dyn Instance, cx: &InstanceContext<'_>) -> AgentClient {
    let stream = instance
        .wait_ready(cx)
        .unwrap_or_else(|e| panic!("{}\n{}", with_sources(&e), instance.diagnostics()));
    AgentClient::greet(stream, &cx.deadline).expect("hello")
}

#[test]
fn a_container_has_its_budget_and_all_its_processes_are_found() {
    let Some(bench) = Bench::new("life") else { return };
    let settings = bench.settings(&[]);
    let info =
        docker().probe(&settings, &bench.preparation(&bench.folder.path().join("probe"))).expect("available");
    for name in ["storage.driver", "cgroup.driver", "cgroup.version", "runtime", "kernel", "seccomp"] {
        assert!(info.details.contains_key(name), "{name} is missing in {info:?}");
    }
    writeln!(std::io::stderr(), "{info:?}").expect("stderr");
    let mut image = Image::default();
    image.add(Path::new("/opt/isotare/hello"), Source::Bytes(Arc::from(*b"hello")), 0o644);
    let environment = bench.prepare(&settings, &image);
    bench.trial("a", |cx| {
        let mut instance = environment.create(cx).expect("created");
        instance.start(cx).expect("started");
        let mut client = ready(instance.as_mut(), cx);
        assert_eq!(client.hello().pid, 1, "the agent is the container's first process");

        let footprint = instance.footprint();
        let roles: Vec<Role> = footprint.members.iter().map(|member| member.role).collect();
        assert_eq!(roles, [Role::Workload, Role::Shim, Role::Daemon, Role::Daemon], "{footprint:?}");
        assert_eq!(Some(footprint.members[2].pid), bench.daemon.pid());
        assert!(footprint.members.iter().all(|member| member.shared == (member.role == Role::Daemon)));
        let agent = footprint.members[0].pid;
        let comm = fs::read_to_string(format!("/proc/{agent}/comm")).expect("runs");
        assert_eq!(comm.trim_end(), "agent");
        let cgroup = footprint.cgroup.expect("a cgroup");
        assert!(cgroup.starts_with(&format!("isotare/{}/", bench.session)), "{cgroup}");
        let status = fs::read_to_string(format!("/proc/{agent}/status")).expect("runs");
        assert!(status.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{status}");
        let limits = ["memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes"].map(|file| {
            let (controller, file) = file.split_once('/').expect("two parts");
            Path::new("/sys/fs/cgroup").join(controller).join(&cgroup).join(file)
        });
        for limit in limits.iter().filter(|limit| limit.exists()) {
            assert_eq!(fs::read_to_string(limit).expect("limit").trim_end(), (256 << 20).to_string());
        }
        let root = PathBuf::from(format!("/proc/{agent}/root"));
        assert_eq!(fs::read(root.join("opt/isotare/hello")).expect("in the image"), b"hello");
        let mounts = fs::read_to_string(format!("/proc/{agent}/mounts")).expect("mounts");
        assert!(!mounts.lines().any(|line| line.contains(DATA_DIR)), "data are in the container's own layer");
        fs::write(root.join(&DATA_DIR[1..]).join("f"), "x").expect("writable");

        client.power_off(&cx.deadline).expect("told to end");
        instance.stop(Duration::from_secs(10), cx).expect("ended");
        let said = instance.diagnostics();
        assert!(said.contains("exited, exit status 0"), "{said}");
        instance.delete(cx).expect("deleted");
        instance.delete(cx).expect("deleting twice is nothing");
    });
    // Another condition of the same session has its own image.
    let beside = bench.prepare(&bench.settings(&[("network", "host"), ("runtime", "runc")]), &image);
    drop(environment);
    bench.trial("b", |cx| {
        let mut instance = beside.create(cx).expect("created");
        instance.start(cx).expect("started");
        let _client = ready(instance.as_mut(), cx);
        let agent = instance.footprint().members[0].pid;
        let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).expect("a namespace");
        assert_eq!(network(&agent.to_string()), network("self"));
        instance.delete(cx).expect("deleted while it runs");
    });
    drop(beside);
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    for resource in bench.state.recorded().expect("recorded") {
        let released = docker().release(&resource, &bench.within(Duration::from_secs(10)));
        assert!(!released.expect("looked for"), "{resource:?} was still there");
    }
}

#[test]
fn twenty_instances_leave_nothing_behind() {
    let Some(bench) = Bench::new("twenty") else { return };
    let environment = bench.prepare(&bench.settings(&[]), &Image::default());
    let mut phases: [Vec<Duration>; 5] = Default::default();
    for index in 0..20 {
        bench.trial(&index.to_string(), |cx| {
            let mut last = now();
            let mut lap = |phase: usize| {
                let time = now();
                phases[phase].push(time.since(last));
                last = now();
            };
            let mut instance = environment.create(cx).expect("created");
            lap(0);
            instance.start(cx).expect("started");
            lap(1);
            let mut client = ready(instance.as_mut(), cx);
            lap(2);
            client.power_off(&cx.deadline).expect("told to end");
            instance.stop(Duration::from_secs(10), cx).expect("ended");
            lap(3);
            instance.delete(cx).expect("deleted");
            lap(4);
        });
    }
    let names = ["create", "start", "ready", "stop", "delete"];
    for (name, times) in names.into_iter().zip(phases) {
        let (least, most) = (times.iter().min().copied(), times.iter().max().copied());
        writeln!(std::io::stderr(), "{name}: median {:.1} ms, {least:?} to {most:?}", median(times))
            .expect("stderr");
    }
    drop(environment);
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn a_container_that_dies_or_does_not_stop_is_reported_and_removed() {
    let Some(bench) = Bench::new("dies") else { return };
    let environment = bench.prepare(&bench.settings(&[]), &Image::default());
    bench.trial("dead", |cx| {
        let mut instance = environment.create(cx).expect("created");
        // Without its socket the agent ends.
        fs::remove_file(cx.control_socket()).expect("removed");
        instance.start(cx).expect("started");
        let begun = now();
        let error = instance.wait_ready(cx).expect_err("dead");
        assert!(matches!(error, DriverError::Failed { .. }), "{error}");
        assert!(now().since(begun) < Duration::from_secs(5), "{error}");
        let said = instance.diagnostics();
        assert!(said.contains("exited, exit status") && said.contains("agent"), "{said}");
        instance.delete(cx).expect("deleted");
    });
    bench.trial("lingers", |cx| {
        let mut instance = environment.create(cx).expect("created");
        instance.start(cx).expect("started");
        let _client = ready(instance.as_mut(), cx);
        let error = instance.stop(Duration::from_millis(100), cx).expect_err("nobody told it to end");
        assert!(matches!(error, DriverError::TimedOut { .. }), "{error}");
        instance.delete(cx).expect("deleted");
    });
    bench.trial("left", |cx| {
        let mut instance = environment.create(cx).expect("created");
        instance.start(cx).expect("started");
        // The session ends here, so `clean` has only the record.
    });
    std::mem::forget(environment);
    let mut released = 0;
    for resource in bench.state.recorded().expect("recorded").iter().rev() {
        let there = docker().release(resource, &bench.within(Duration::from_secs(10)));
        released += u32::from(there.expect("released"));
    }
    assert_eq!(released, 2, "the container and the image");
    let import = "/images/create?fromSrc=-&repo=foreign&tag=1";
    bench.daemon.ask("POST", import, &[0; 1024]).expect("imported an empty archive");
    let foreign = Resource::Managed {
        driver: "docker".into(),
        what: "image".into(),
        id: format!("{}#foreign:1", bench.daemon.host()),
    };
    assert!(!docker().release(&foreign, &bench.within(Duration::from_secs(10))).expect("looked at"));
    bench.daemon.ask("DELETE", "/images/foreign:1", &[]).expect("what is not ours is still there");
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[test]
fn waiting_for_a_daemon_that_hangs_ends_at_the_deadline_and_at_an_interrupt() {
    let Some(bench) = Bench::new("hangs") else { return };
    let environment = bench.prepare(&bench.settings(&[]), &Image::default());
    bench.signal(Signal::STOP);
    let begun = now();
    bench.trial("late", |cx| {
        let cx = cx.until(now().plus(Duration::from_millis(300)));
        let error = environment.create(&cx).err().expect("no answer");
        assert!(matches!(error, DriverError::TimedOut { .. }), "{error}");
    });
    bench.interrupt.raise();
    bench.trial("interrupted", |cx| {
        let error = environment.create(cx).err().expect("no answer");
        assert!(matches!(error, DriverError::Interrupted), "{error}");
    });
    assert!(now().since(begun) < Duration::from_secs(15), "{:?}", now().since(begun));
    bench.signal(Signal::CONT);
    drop(environment);
    // The daemon may still make the first container although its client has gone, and may remove it
    // afterwards. The record contains its name.
    let patience = now().plus(Duration::from_secs(60));
    loop {
        for resource in bench.state.recorded().expect("recorded").iter().rev() {
            let deadline = deadline_in(Duration::from_secs(10), &Interrupt::default());
            docker().release(resource, &deadline).expect("released");
        }
        let left = bench.leftovers();
        if left.is_empty() {
            break;
        }
        assert!(now() < patience, "{left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_daemon_that_is_killed_is_an_error_at_once() {
    let Some(mut bench) = Bench::new("killed") else { return };
    let environment = bench.prepare(&bench.settings(&[]), &Image::default());
    bench.trial("a", |cx| {
        let mut instance = environment.create(cx).expect("created");
        instance.start(cx).expect("started");
        let _client = ready(instance.as_mut(), cx);
        let agent = instance.footprint().members[0].pid;
        let socket = bench.daemon.host().trim_start_matches("unix://").to_owned();
        let killed = std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                bench.signal(Signal::KILL);
                let killed = now();
                // The daemon's last thread may still hold the socket for a moment.
                while UnixStream::connect(&socket).is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                killed
            });
            instance.stop(Duration::from_secs(30), cx).expect_err("the daemon died meanwhile");
            killer.join().expect("killed")
        });
        let error = instance.stop(Duration::from_secs(5), cx).expect_err("no daemon");
        assert!(matches!(error, DriverError::Unavailable(_)), "{error}");
        let error = instance.delete(cx).expect_err("no daemon");
        assert!(matches!(error, DriverError::Unavailable(_)), "{error}");
        assert!(instance.diagnostics().contains("no Docker daemon"), "{}", instance.diagnostics());
        assert!(environment.create(&cx.until(now().plus(Duration::from_secs(5)))).is_err());
        assert!(now().since(killed) < Duration::from_secs(2), "{:?}", now().since(killed));
        let gone = isotare_host::identify(agent).is_none_or(|process| {
            isotare_host::pause(Duration::from_secs(1), &cx.deadline).expect("time");
            !isotare_host::is_alive(process)
        });
        assert!(gone, "the workload does not run on");
    });
    bench.daemon.kill().expect("reaped");
}

#[test]
fn impossible_settings_are_unavailable_with_a_remedy() {
    let Some(bench) = Bench::new("remedy") else { return };
    let work = bench.folder.path().join("probe");
    let probe = |settings: &Settings| {
        docker().probe(settings, &bench.preparation(&work)).expect_err("unavailable").to_string()
    };
    let text = probe(&bench.settings(&[("runtime", "kata-qemu")]));
    assert!(
        text.contains("does not know the runtime 'kata-qemu'; it has") && text.contains("daemon.json"),
        "{text}"
    );
    let text = probe(&bench.settings(&[("network", "bridge")]));
    assert!(text.contains("has no bridge network") && text.contains("--bridge=none"), "{text}");

    let elsewhere =
        |host: &str| Settings::check("driver docker", docker().settings(), [("host", host)]).expect("valid");
    let text = probe(&elsewhere("unix:///no/such/docker.sock"));
    assert!(
        text.contains("no Docker daemon's socket at /no/such/docker.sock") && text.contains("start"),
        "{text}"
    );
    let text = probe(&elsewhere("tcp://127.0.0.1:2375"));
    assert!(text.contains("not a Unix socket"), "{text}");

    let silent = bench.folder.path().join("silent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).expect("listens");
    let settings = elsewhere(silent.to_str().expect("UTF-8"));
    let mut cx = bench.preparation(&work);
    cx.deadline = bench.within(Duration::from_millis(200));
    let text = docker().probe(&settings, &cx).expect_err("silent").to_string();
    assert!(text.contains("does not answer"), "{text}");
}

/// This does not compile unless the record of a session can be used as a ledger.
const _: fn(&SessionState) -> &dyn Ledger = |state| state;
