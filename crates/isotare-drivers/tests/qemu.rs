//! Tests of the driver `qemu` with real machines under software emulation. They need QEMU, a kernel and a
//! static agent (`ISOTARE_AGENT`, or one built in the workspace's target folder). Without these they print a
//! message and pass.
#![expect(clippy::print_stderr, reason = "tests tell why they are skipped and what they measured")]

use isotare_core::{
    Base, Budget, Deadline, Driver, DriverError, Environment, Image, Instance, InstanceContext, Interrupt,
    PrepareContext, Resource, Role, Settings, with_sources,
};
use isotare_host::{
    AgentClient, OutputTap, SessionState, Swept, deadline_in, find_program, make_run_folder, now, output_of,
    sweep,
};
use isotare_protocol::{
    Builtin, CommandJob, FileMode, FileioJob, Job, JobResult, Kind, Limit, Pattern, Repetition,
};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

struct Field {
    session: String,
    folder: tempfile::TempDir,
    state: SessionState,
    agent: PathBuf,
    budget: Budget,
}

fn agent() -> Option<PathBuf> {
    let named = std::env::var_os("ISOTARE_AGENT").map(PathBuf::from);
    let target = Path::new(env!("CARGO_BIN_EXE_isotare-container-broker")).ancestors().nth(2);
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let built = ["release", "debug"]
        .map(|profile| target.map(|dir| dir.join(&triple).join(profile).join("isotare-agent")));
    named.into_iter().chain(built.into_iter().flatten()).find(|path| path.is_file())
}

/// A session; `None`: the tests cannot run, and the reason was printed.
fn field(name: &str) -> Option<Field> {
    let skip = |why: &str| {
        eprintln!("skipped: {why}");
        None
    };
    if find_program("qemu-system-x86_64").is_none() {
        return skip("no qemu-system-x86_64");
    }
    let kernels = fs::read_dir("/boot").into_iter().flatten().flatten();
    if !kernels.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("vmlinuz-")) {
        return skip("no kernel in /boot");
    }
    let Some(agent) = agent() else { return skip("no static agent; set ISOTARE_AGENT") };
    let session = format!("qtest-{name}-{}", std::process::id());
    let folder = tempfile::Builder::new().prefix("isotare-q").tempdir_in("/var/tmp").expect("a folder");
    let state = SessionState::create(&folder.path().join("state"), &session).expect("a session");
    let budget = Budget { cpus: "0".parse().expect("a list"), memory: 256 << 20, processes: Some(300) };
    Some(Field { session, folder, state, agent, budget })
}

fn soon() -> Deadline {
    deadline_in(Duration::from_secs(100), &Interrupt::default())
}

fn checked(settings: &[(&str, &str)]) -> (&'static dyn Driver, Settings) {
    let driver = isotare_drivers::find("qemu").expect("listed");
    let settings = Settings::check("driver qemu", driver.settings(), settings.iter().copied());
    (driver, settings.expect("valid"))
}

impl Field {
    fn preparing<T>(
        &self,
        settings: &[(&str, &str)],
        then: impl FnOnce(&dyn Driver, &Settings, &PrepareContext<'_>) -> T,
    ) -> T {
        let (driver, settings) = checked(settings);
        let work = self.folder.path().join("environment");
        fs::create_dir_all(&work).expect("a folder");
        let context = PrepareContext {
            session: &self.session,
            work: &work,
            agent: &self.agent,
            budget: &self.budget,
            is_attached: false,
            ledger: &self.state,
            deadline: soon(),
        };
        then(driver, &settings, &context)
    }

    fn prepare(&self, settings: &[(&str, &str)]) -> Box<dyn Environment> {
        self.preparing(settings, |driver, settings, cx| driver.prepare(settings, &Image::default(), cx))
            .expect("prepared")
    }

    fn trial<T>(&self, name: &str, then: impl FnOnce(&InstanceContext<'_>) -> T) -> T {
        let instance = format!("{}-{name}", self.session);
        let cgroup = format!("isotare/{}/{instance}", self.session);
        let (work, run) =
            (self.folder.path().join(name).join("work"), self.folder.path().join(name).join("run"));
        fs::create_dir_all(&work).expect("a folder");
        make_run_folder(&run).expect("a folder");
        then(&InstanceContext {
            session: &self.session,
            instance: &instance,
            cgroup: &cgroup,
            work: &work,
            run: &run,
            budget: &self.budget,
            network: None,
            ledger: &self.state,
            deadline: soon(),
            mark: &|_| {},
        })
    }

    /// All recorded resources that still exist.
    fn left(&self) -> Vec<String> {
        let recorded = self.state.recorded().expect("readable");
        let found = recorded.iter().rev().map(|resource| (resource, sweep(resource, &soon())));
        let left = found.filter(|(_, swept)| !matches!(swept, Swept::Absent));
        left.map(|(resource, swept)| format!("{resource:?}: {swept:?}")).collect()
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _left = sweep(&Resource::Cgroup { path: format!("isotare/{}", self.session) }, &soon());
    }
}

fn bring_up(environment: &dyn Environment, cx: &InstanceContext<'_>) -> (Box<dyn Instance>, AgentClient) {
    let mut instance = environment.create(cx).expect("created");
    let ready = instance.start(cx).and_then(|()| instance.wait_ready(cx));
    let stream = ready.unwrap_or_else(|error| panic!("{}\n{}", with_sources(&error), instance.diagnostics()));
    let agent = AgentClient::greet(stream, &cx.deadline).expect("greets");
    (instance, agent)
}

fn take_down(mut instance: Box<dyn Instance>, mut agent: AgentClient, cx: &InstanceContext<'_>) {
    agent.power_off(&cx.deadline).expect("told");
    instance
        .stop(Duration::from_secs(10), cx)
        .unwrap_or_else(|e| panic!("{}\n{}", with_sources(&e), instance.diagnostics()));
    instance.delete(cx).expect("deleted");
    instance.delete(cx).expect("deleted twice");
}

#[test]
fn a_machine_has_its_disk_and_leaves_nothing_behind() {
    for format in ["raw", "qcow2", "qcow2-overlay"] {
        let Some(field) = field(format) else { return };
        let environment = field.prepare(&[("disk", format)]);
        assert_eq!(environment.facts().get("disk.format").map(String::as_str), Some(format));
        field.trial("a", |cx| {
            let (instance, mut agent) = bring_up(&*environment, cx);
            let facts = agent.facts(&cx.deadline).expect("facts");
            let fact = |name: &str| facts.get(name).map(String::as_str);
            assert_eq!((fact("cpus"), fact("data.filesystem")), (Some("1"), Some("ext4")), "{facts:?}");
            let member = &instance.footprint().members[0];
            let threads = fs::read_dir(format!("/proc/{}/task", member.pid)).expect("runs").flatten();
            let names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")).expect("a name"));
            let of_role = |name: &String| member.threads.iter().find(|(prefix, _)| name.starts_with(prefix));
            let vcpus = names.filter_map(|name| of_role(&name)).filter(|(_, role)| *role == Role::Vcpu);
            assert_eq!((member.role, vcpus.count()), (Role::Vmm, 1));
            take_down(instance, agent, cx);
            let left = fs::read_dir(cx.work).expect("readable").flatten().map(|entry| entry.path());
            let is_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "log");
            assert_eq!(left.filter(|path| !is_log(path)).count(), 0, "the disk is gone");
        });
        assert_eq!(field.left(), Vec::<String>::new());
    }
}

/// A tree with the host's bash and its libraries.
fn tree_with_bash(folder: &Path) -> Image {
    let listed = output_of(Path::new("/usr/bin/ldd"), &["/bin/bash"], &soon()).expect("ldd runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain(["/bin/bash"]) {
        let to = folder.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("below")).expect("a folder");
        fs::copy(file, to).expect("copied");
    }
    Image { base: Base::Tree(folder.to_owned()), files: Vec::new() }
}

/// Connects to the host at the address on the kernel's command line, and exchanges one line in each
/// direction.
const TALK: &str = "read -r line </proc/cmdline; host=${line##*isotare.net=}; host=${host%% *}; \
    exec 3<>/dev/tcp/${host#*,}/$PORT && echo from the guest >&3 && read -r answer <&3 && echo \"$answer\"";

#[test]
fn a_program_reaches_the_host_over_each_network() {
    let networks: [&[(&str, &str)]; 4] = [
        &[("network", "user")],
        &[("network", "user"), ("machine", "pc"), ("nic", "e1000"), ("root", "9p")],
        &[("network", "tap")],
        &[("network", "tap"), ("machine", "q35"), ("nic", "e1000"), ("disk", "none")],
    ];
    for settings in networks {
        let Some(field) = field("net") else { return };
        let image = tree_with_bash(&field.folder.path().join("tree"));
        let environment =
            match field.preparing(settings, |driver, settings, cx| driver.prepare(settings, &image, cx)) {
                Ok(environment) => environment,
                Err(DriverError::Unavailable(why)) => {
                    eprintln!("skipped {settings:?}: {why}");
                    continue;
                }
                Err(error) => panic!("{settings:?}: {}", with_sources(&error)),
            };
        field.trial("a", |cx| {
            let (instance, mut agent) = bring_up(&*environment, cx);
            let listener = TcpListener::bind("0.0.0.0:0").expect("listens");
            let port = listener.local_addr().expect("bound").port();
            let host = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("connected");
                stream.write_all(b"from the host\n").expect("written");
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).expect("read");
                line
            });
            let job = Job::Command(CommandJob {
                argv: ["/bin/bash", "-c", TALK].map(str::to_owned).into(),
                env: vec![("PORT".to_owned(), port.to_string())],
                directory: None,
                stdin: Vec::new(),
                repetition: Repetition::Once,
            });
            let mut tap = OutputTap::default();
            agent.run(&job, None, &cx.deadline, &mut tap, &mut |_| {}).expect("ran");
            let streams = tap.finish().0;
            let said = streams.stdout.text();
            assert_eq!(said, "from the host\n", "{settings:?}: {}", streams.stderr.text());
            assert_eq!(host.join().expect("no panic"), "from the guest\n");
            take_down(instance, agent, cx);
        });
        drop(environment);
        assert_eq!(field.left(), Vec::<String>::new(), "{settings:?}");
    }
}

/// Settings, and the file systems of the root and of the data folder that the guest then sees. Each bus,
/// format, cache, kind of I/O and root occurs once, on each machine that supports it.
type Combination = (&'static [(&'static str, &'static str)], &'static str, &'static str);

const COMBINATIONS: [Combination; 8] = [
    (
        &[("bus", "virtio-scsi"), ("root", "disk"), ("cache", "writethrough"), ("thread", "single")],
        "ext4",
        "ext4",
    ),
    (&[("root", "disk"), ("disk", "none"), ("cache", "directsync"), ("aio", "native")], "ext4", "ext4"),
    (&[("machine", "q35"), ("bus", "nvme"), ("disk", "qcow2"), ("aio", "io_uring")], "rootfs", "ext4"),
    (&[("machine", "q35"), ("bus", "ide"), ("cache", "writeback"), ("root", "disk")], "ext4", "ext4"),
    (&[("machine", "pc"), ("bus", "ide"), ("cache", "unsafe"), ("disk-size", "2G")], "rootfs", "ext4"),
    (&[("root", "9p"), ("disk", "none")], "9p", "9p"),
    (&[("machine", "q35"), ("root", "9p"), ("bus", "virtio-scsi")], "9p", "ext4"),
    (&[("machine", "pc"), ("root", "virtiofs"), ("disk", "none")], "virtiofs", "virtiofs"),
];

#[test]
fn the_guest_sees_the_chosen_bus_and_root() {
    for (settings, root, data) in COMBINATIONS {
        let Some(field) = field("wide") else { return };
        let image = Image::default();
        let environment =
            match field.preparing(settings, |driver, settings, cx| driver.prepare(settings, &image, cx)) {
                Ok(environment) => environment,
                Err(DriverError::Unavailable(why)) => {
                    eprintln!("skipped {settings:?}: {why}");
                    continue;
                }
                Err(error) => panic!("{settings:?}: {}", with_sources(&error)),
            };
        field.trial("a", |cx| {
            let begin = now();
            let (instance, mut agent) = bring_up(&*environment, cx);
            let kernel = &environment.facts()["guest.kernel.booted"];
            eprintln!("{settings:?} ({kernel}) after {:?}", now().since(begin));
            let facts = agent.facts(&cx.deadline).expect("facts");
            assert_eq!(
                (&*facts["root.filesystem"], &*facts["data.filesystem"]),
                (root, data),
                "{settings:?}"
            );
            take_down(instance, agent, cx);
        });
        drop(environment);
        assert_eq!(field.left(), Vec::<String>::new(), "{settings:?}");
    }
}

#[test]
fn memory_may_exceed_the_host_or_use_huge_pages() {
    let text = fs::read_to_string("/proc/meminfo").expect("readable");
    let total = text.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number");
    let more = format!("{}M", (total >> 10) + 1024);
    let Some(field) = field("memory") else { return };
    let prepare = |settings: &[(&str, &str)]| {
        let image = Image::default();
        field.preparing(settings, |driver, settings, cx| driver.prepare(settings, &image, cx))
    };
    let refused = prepare(&[("memory", &more)]).map(drop).expect_err("too much").to_string();
    assert!(refused.contains("overcommit=true"), "{refused}");
    for settings in [&[("memory", &*more), ("overcommit", "true")][..], &[("hugepages", "true")]] {
        let environment = match prepare(settings) {
            Ok(environment) => environment,
            Err(DriverError::Unavailable(why)) => {
                eprintln!("skipped {settings:?}: {why}");
                continue;
            }
            Err(error) => panic!("{settings:?}: {}", with_sources(&error)),
        };
        let wanted: u64 = environment.facts()["memory"].parse().expect("bytes");
        field.trial(settings[0].0, |cx| {
            let (instance, mut agent) = bring_up(&*environment, cx);
            let seen: u64 = agent.facts(&cx.deadline).expect("facts")["memory.total"].parse().expect("bytes");
            assert!(seen < wanted && seen > wanted / 2, "{settings:?}: {seen} of {wanted}");
            take_down(instance, agent, cx);
        });
    }
    assert_eq!(field.left(), Vec::<String>::new());
}

/// The value of a field of a process's status: proc_pid_status(5).
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("readable");
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.expect("a field").split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn qemu_filters_its_system_calls_and_runs_as_a_user_of_its_own() {
    let us = rustix::process::geteuid();
    let everything = status(std::process::id(), "CapEff");
    // With 9p, QEMU gives files to the users who own them in the guest.
    for (settings, filter, is_root) in [
        (&[][..], true, false),
        (&[("root", "9p"), ("disk", "none")], true, true),
        (&[("sandbox", "off"), ("disk", "none")], false, true),
    ] {
        let Some(field) = field("confined") else { return };
        let image = Image::default();
        let environment =
            match field.preparing(settings, |driver, settings, cx| driver.prepare(settings, &image, cx)) {
                Ok(environment) => environment,
                Err(DriverError::Unavailable(why)) => {
                    eprintln!("skipped {settings:?}: {why}");
                    continue;
                }
                Err(error) => panic!("{settings:?}: {}", with_sources(&error)),
            };
        let mut users = Vec::new();
        for name in ["a", "b"] {
            field.trial(name, |cx| {
                let (instance, agent) = bring_up(&*environment, cx);
                let pid = instance.footprint().members[0].pid;
                let found = |field| status(pid, field);
                assert_eq!(found("Seccomp"), if filter { "2" } else { "0" }, "{settings:?}");
                assert_eq!(found("NoNewPrivs"), if filter { "1" } else { "0" }, "{settings:?}");
                let stays = is_root || !us.is_root();
                assert_eq!(found("Uid") == us.as_raw().to_string(), stays, "{settings:?}: {}", found("Uid"));
                assert_eq!(found("Gid") == found("Uid"), us.is_root(), "{settings:?}");
                let left = if stays { everything.as_str() } else { "0000000000000000" };
                assert_eq!([found("CapEff"), found("CapPrm")], [left, left], "{settings:?}");
                users.push(found("Uid"));
                take_down(instance, agent, cx);
            });
        }
        assert_eq!(users[0] == users[1], is_root || !us.is_root(), "{users:?}");
        let facts = environment.facts();
        assert_eq!(facts["vmm.sandbox"] == "none", !filter, "{facts:?}");
        assert_eq!(facts["vmm.user"].starts_with("root: "), is_root && us.is_root(), "{facts:?}");
        drop(environment);
        assert_eq!(field.left(), Vec::<String>::new(), "{settings:?}");
    }
}

#[test]
fn a_killed_machine_is_an_error_and_leaves_nothing_behind() {
    let Some(field) = field("kill") else { return };
    let environment = field.prepare(&[("disk", "none")]);
    field.trial("a", |cx| {
        let (mut instance, mut agent) = bring_up(&*environment, cx);
        let pid = i32::try_from(instance.footprint().members[0].pid).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("there");
        assert!(agent.facts(&cx.deadline).is_err());
        let error = instance.stop(Duration::from_secs(5), cx).expect_err("killed");
        let error = with_sources(&error);
        assert!(error.contains("signal: 9"), "{error}");
        instance.delete(cx).expect("deleted");
    });
    assert_eq!(field.left(), Vec::<String>::new());
}

#[test]
fn a_file_that_is_not_a_kernel_makes_it_unavailable() {
    let Some(field) = field("kernel") else { return };
    let probed =
        field.preparing(&[("kernel", "/etc/passwd")], |driver, settings, cx| driver.probe(settings, cx));
    let error = probed.expect_err("no kernel");
    assert!(error.reason.contains("/etc/passwd"), "{error}");
}

#[test]
fn a_guest_that_cannot_run_its_init_is_reported_before_the_deadline() {
    let Some(mut field) = field("panic") else { return };
    field.agent = "/etc/hostname".into();
    let environment = field.prepare(&[("disk", "none")]);
    field.trial("a", |cx| {
        let mut instance = environment.create(cx).expect("created");
        let ready = instance.start(cx).and_then(|()| instance.wait_ready(cx).map(drop));
        let error = ready.expect_err("no init");
        let error = with_sources(&error);
        assert!(error.contains("Kernel panic"), "{error}\n{}", instance.diagnostics());
        instance.delete(cx).expect("deleted");
    });
    assert_eq!(field.left(), Vec::<String>::new());
}

#[test]
fn waiting_for_a_machine_that_hangs_ends_at_the_deadline() {
    let Some(field) = field("late") else { return };
    let environment = field.prepare(&[]);
    field.trial("a", |cx| {
        let mut instance = environment.create(cx).expect("created");
        instance.start(cx).expect("started");
        let late = cx.until(now().plus(Duration::from_millis(50)));
        let error = instance.wait_ready(&late).expect_err("too soon");
        assert!(matches!(error, DriverError::TimedOut { .. }), "{error}");
        instance.delete(cx).expect("deleted");
    });
    assert_eq!(field.left(), Vec::<String>::new());
}

#[test]
fn a_probe_reports_success_or_the_last_message_of_the_guest() {
    for accel in ["tcg", "kvm"] {
        let Some(field) = field(accel) else { return };
        let begin = now();
        let probed = field.preparing(&[("accel", accel)], |driver, settings, cx| driver.probe(settings, cx));
        eprintln!("{accel} after {:?}: {probed:?}", now().since(begin));
        match probed {
            Ok(info) => assert_eq!(info.details.get("accelerator").map(String::as_str), Some(accel)),
            Err(why) => assert!(accel == "kvm" && !why.remedy.is_empty(), "{why}"),
        }
        assert!(now().since(begin) < Duration::from_secs(100));
        assert_eq!(field.left(), Vec::<String>::new());
    }
}

#[test]
fn files_are_written_to_the_disk_and_the_clocks_agree() {
    ["microvm", "q35", "pc"].into_iter().for_each(files_and_clocks);
}

fn files_and_clocks(machine: &str) {
    let Some(field) = field(machine) else { return };
    let environment = field.prepare(&[("machine", machine)]);
    field.trial("a", |cx| {
        let (instance, mut agent) = bring_up(&*environment, cx);
        let first = agent.clock(20, &cx.deadline).expect("clocks");
        let kind = Kind::Fileio(FileioJob {
            mode: FileMode::RandomReadWrite,
            files: 4,
            total: 4 << 20,
            block: 16 << 10,
            fsync_every: 100,
            fsync_end: true,
            pattern: Pattern::Buffered,
            read_write_ratio: 1.5,
        });
        let limit = Limit { duration_ms: Some(3000), events: None };
        let job = Job::Builtin(Builtin { kind, threads: 1, limit, warmup_ms: 10, interval_ms: 100 });
        let used = |cx: &InstanceContext<'_>| {
            let file = fs::read_dir(cx.work).expect("read").flatten().next().expect("a disk");
            std::os::unix::fs::MetadataExt::blocks(&file.metadata().expect("there")) * 512
        };
        let before = used(cx);
        let mut tap = OutputTap::default();
        let ran = agent.run(&job, None, &cx.deadline, &mut tap, &mut |_| {}).expect("ran");
        let JobResult::Work(report) = ran.result else { panic!("a report") };
        assert!(report.events > 0 && report.wrong == 0, "{report:?}");
        assert!(used(cx) >= before + (4 << 20), "{before} bytes grew to {}", used(cx));
        let last = agent.clock(20, &cx.deadline).expect("clocks");
        let host = (last.asked_ns + last.answered_ns) / 2 - (first.asked_ns + first.answered_ns) / 2;
        let guest = last.agent_ns - first.agent_ns;
        let apart_ppm = guest.abs_diff(host) * 1_000_000 / host;
        eprintln!("{machine}: clocks {apart_ppm} ppm apart over {host} ns");
        assert!(apart_ppm < 500, "{apart_ppm} ppm");
        take_down(instance, agent, cx);
    });
}

/// The lengths of the phases of a machine, and the number of file events that it made in two seconds.
fn timed_life(field: &Field, name: &str, environment: &dyn Environment) -> [f64; 6] {
    field.trial(name, |cx| {
        let mut last = now();
        let mut lap = || {
            let length = now().since(last).as_secs_f64();
            last = now();
            length
        };
        let mut instance = environment.create(cx).expect("created");
        let create = lap();
        instance.start(cx).expect("started");
        let start = lap();
        let stream = instance.wait_ready(cx).expect("ready");
        let ready = lap();
        let mut agent = AgentClient::greet(stream, &cx.deadline).expect("greets");
        let kind = Kind::Fileio(FileioJob {
            mode: FileMode::RandomWrite,
            files: 4,
            total: 4 << 20,
            block: 16 << 10,
            fsync_every: 1,
            fsync_end: true,
            pattern: Pattern::Buffered,
            read_write_ratio: 1.5,
        });
        let limit = Limit { duration_ms: Some(2000), events: None };
        let job = Job::Builtin(Builtin { kind, threads: 1, limit, warmup_ms: 200, interval_ms: 100 });
        let mut tap = OutputTap::default();
        let ran = agent.run(&job, None, &cx.deadline, &mut tap, &mut |_| {}).expect("ran");
        let JobResult::Work(report) = ran.result else { panic!("a report") };
        agent.power_off(&cx.deadline).expect("told");
        lap();
        instance.stop(Duration::from_secs(10), cx).expect("stopped");
        let stop = lap();
        instance.delete(cx).expect("deleted");
        [create, start, ready, stop, lap(), report.events as f64]
    })
}

/// Prints medians of machines with and without a sandbox, which alternate, and of the ratios of pairs: `cargo
/// test … -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures"]
fn ten_pairs_with_and_without_a_sandbox_are_timed() {
    let (Some(on), Some(off)) = (field("with"), field("without")) else { return };
    let environments = [on.prepare(&[]), off.prepare(&[("sandbox", "off")])];
    let mut rows: Vec<[[f64; 6]; 2]> = Vec::new();
    for number in 0..10 {
        let mut row = [[0.0; 6]; 2];
        // Each of the two is the first one in half of the pairs.
        for place in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            let field = [&on, &off][place];
            row[place] = timed_life(field, &number.to_string(), &*environments[place]);
        }
        rows.push(row);
    }
    let median = |values: &dyn Fn(&[[f64; 6]; 2]) -> f64| {
        let mut all: Vec<f64> = rows.iter().map(values).collect();
        all.sort_by(f64::total_cmp);
        (all[4].midpoint(all[5]), all[0], all[9])
    };
    for (at, name) in
        ["create, s", "start, s", "ready, s", "stop, s", "delete, s", "events"].iter().enumerate()
    {
        let (with, without) = (median(&|row| row[0][at]).0, median(&|row| row[1][at]).0);
        let (ratio, low, high) = median(&|row| row[0][at] / row[1][at]);
        eprintln!(
            "{name}: {with:.4} with, {without:.4} without; with/without {ratio:.3}, {low:.3} to {high:.3}"
        );
    }
}
