//! Tests of a container while it runs, and of what is left afterwards.

use crate::field::{bring_up, checked, field, take_down};
use isotare_core::{Resource, Role};
use isotare_host::{AgentClient, OutputTap};
use isotare_protocol::{CommandJob, Exit, Job, JobResult, Repetition};
use std::fs;

fn run(agent: &mut AgentClient, argv: &[&str], deadline: &isotare_core::Deadline) -> (Exit, String) {
    let job = Job::Command(CommandJob {
        argv: argv.iter().map(ToString::to_string).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: None,
        stdin: Vec::new(),
        repetition: Repetition::Once,
    });
    let mut tap = OutputTap::default();
    let ran = agent.run(&job, None, deadline, &mut tap, &mut |_| {}).expect("ran");
    let streams = tap.finish().0;
    let JobResult::Command { exit, .. } = ran.result else { panic!("a command's result") };
    (exit, streams.stdout.text().into_owned() + &streams.stderr.text())
}

#[test]
fn a_container_has_the_isolation_of_docker() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (instance, mut agent) = bring_up(&*environment, &cx);
    assert_eq!(agent.hello().pid, 1);
    let facts = agent.facts(&cx.deadline).expect("facts");
    let fact = |name: &str| facts.get(name).map(String::as_str);
    assert_eq!(fact("capabilities"), Some("00000000a80425fb"), "{facts:?}");
    assert_eq!((fact("seccomp"), fact("no_new_privs")), (Some("2"), Some("1")), "{facts:?}");
    assert_eq!((fact("root.filesystem"), fact("uid")), (Some("overlay"), Some("0")), "{facts:?}");

    let footprint = instance.footprint();
    let [init, broker] = footprint.members.as_slice() else { panic!("{footprint:?}") };
    assert_eq!((init.role, init.shared), (Role::Workload, false));
    assert_eq!((broker.role, broker.shared), (Role::Daemon, true));
    assert_eq!(footprint.cgroup.as_deref(), Some(trial.cgroup.as_str()));

    let proc = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", init.pid)).expect("readable");
    let links: Vec<String> = proc("net/dev").lines().skip(2).map(|line| line.trim().to_owned()).collect();
    assert!(links.len() == 1 && links[0].starts_with("lo:"), "{links:?}");
    let mounts = proc("mountinfo");
    let options = |point: &str| {
        let of_point = mounts.lines().filter(|line| line.split(' ').nth(4) == Some(point));
        of_point.filter_map(|line| line.split(' ').nth(5)).next_back().map(str::to_owned)
    };
    for point in ["/proc/sys", "/proc/bus", "/sys", "/sys/firmware"] {
        assert!(options(point).is_some_and(|options| options.starts_with("ro")), "{point}: {mounts}");
    }
    for masked in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts"] {
        let there = fs::exists(masked).expect("known");
        assert_eq!(options(masked).is_some(), there, "{masked}: {mounts}");
    }
    for line in mounts.lines().filter(|line| line.contains(" - cgroup")) {
        let point = line.split(' ').nth(4).expect("a mount point");
        assert!(options(point).is_some_and(|options| options.starts_with("ro")), "{line}");
    }
    take_down(instance, agent, &cx);
}

#[test]
fn programs_inside_are_limited_by_the_filter_and_read_only_files() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (instance, mut agent) = bring_up(&*environment, &cx);
    let (sh, _) = isotare_workloads::closure("sh").expect("a shell");
    let sh = sh.to_str().expect("UTF-8");
    let mut shell = |line: &str| run(&mut agent, &[sh, "-c", line], &cx.deadline);
    let (exit, text) = shell("echo x > /isotare/data/file && cat /isotare/data/file");
    assert_eq!((exit, text.as_str()), (Exit::Code(0), "x\n"));
    for forbidden in [
        "unshare -m cat /dev/null",
        "echo 1 > /proc/sys/kernel/panic",
        "echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
        "mount -t tmpfs none /tmp",
        "dmesg",
    ] {
        let (exit, text) = shell(forbidden);
        assert_ne!(exit, Exit::Code(0), "{forbidden}: {text}");
        let refused = ["ermi", "Read-only", "denied"].iter().any(|word| text.contains(word));
        assert!(refused, "{forbidden}: {text}");
    }
    let (_, processes) = shell("cat /proc/[0-9]*/comm");
    assert!(processes.contains("agent"), "{processes}");
    assert!(!processes.contains("kthreadd"), "{processes}");
    let on_disk = trial.context(&field.state, &field.session).work.join("upper/isotare/data/file");
    assert_eq!(fs::read_to_string(on_disk).expect("the writable layer is on disk"), "x\n");
    take_down(instance, agent, &cx);
}

#[test]
fn the_budget_is_in_its_cgroup() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (instance, agent) = bring_up(&*environment, &cx);
    let read = |names: [&str; 2]| {
        let texts = names.map(|name| fs::read_to_string(name.replace('@', &trial.cgroup)));
        texts.into_iter().find_map(Result::ok).expect("one of the interfaces").trim().to_owned()
    };
    assert_eq!(read(["/sys/fs/cgroup/cpuset/@/cpuset.cpus", "/sys/fs/cgroup/@/cpuset.cpus"]), "0");
    let limit = ["/sys/fs/cgroup/memory/@/memory.limit_in_bytes", "/sys/fs/cgroup/@/memory.max"];
    assert_eq!(read(limit), (256 << 20).to_string());
    let pid = instance.footprint().members[0].pid.to_string();
    for files in [
        ["/sys/fs/cgroup/memory/@/cgroup.procs", "/sys/fs/cgroup/@/cgroup.procs"],
        ["/sys/fs/cgroup/cpuset/@/cgroup.procs", "/sys/fs/cgroup/@/cgroup.procs"],
    ] {
        assert!(read(files).lines().any(|line| line == pid));
    }
    // Checks every hierarchy in which the session made the group. An empty group there would look like an
    // idle container.
    let hierarchies = isotare_cgroup::Hierarchies::discover().expect("mounted");
    for file in hierarchies.open(&trial.cgroup).procs_files() {
        let text = fs::read_to_string(&file).expect("readable");
        assert!(text.lines().any(|line| line == pid), "{}", file.display());
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
    take_down(instance, agent, &cx);
    assert_eq!(environment.facts()["budget.enforced"], "cgroup");
}

#[test]
fn twenty_instances_leave_nothing_behind() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let mut broker_fds = Vec::new();
    for number in 0..20 {
        let trial = field.trial(&number.to_string());
        let cx = trial.context(&field.state, &field.session);
        let (instance, agent) = bring_up(&*environment, &cx);
        let broker = instance.footprint().members[1].pid;
        take_down(instance, agent, &cx);
        broker_fds.push(fs::read_dir(format!("/proc/{broker}/fd")).map(Iterator::count).unwrap_or(0));
        assert!(!cx.work.join("upper").exists() && !cx.work.join("overlay").exists());
    }
    assert_eq!(broker_fds.first(), broker_fds.last(), "the broker leaks descriptors");
    drop(environment);
    assert_eq!(field.leftovers(), Vec::<String>::new());
    assert_eq!(field.sweep(), 0);
}

#[test]
fn two_containers_at_the_same_time_have_separate_links() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[("network", "veth")]);
    let (one, two) = (field.trial("a"), field.trial("b"));
    let contexts = [&one, &two].map(|trial| trial.context(&field.state, &field.session));
    let lives = contexts.each_ref().map(|cx| bring_up(&*environment, cx));
    let pids = lives.each_ref().map(|(instance, _)| instance.footprint().members[0].pid);
    assert_ne!(pids[0], pids[1]);
    for pid in pids {
        let routes = fs::read_to_string(format!("/proc/{pid}/net/route")).expect("runs");
        assert!(routes.lines().any(|line| line.starts_with("eth0\t00000000")), "{routes}");
    }
    let recorded = field.state.recorded().expect("readable");
    let names: Vec<String> = recorded
        .into_iter()
        .filter_map(|resource| match resource {
            Resource::Link { name } => Some(name),
            _ => None,
        })
        .collect();
    assert_eq!(names.len(), 2);
    let up = |name: &String| std::path::Path::new("/sys/class/net").join(name).exists();
    assert!(names.iter().all(up));
    for ((instance, agent), cx) in lives.into_iter().zip(&contexts) {
        take_down(instance, agent, cx);
    }
    assert!(!names.iter().any(up));
    drop(environment);
    assert_eq!(field.sweep(), 0);
}

#[test]
fn the_probe_tries_a_container_and_leaves_nothing() {
    let Some(field) = field() else { return };
    let (driver, settings) = checked(&[]);
    let work = field.folder.path().join("probe");
    fs::create_dir_all(&work).expect("a folder");
    let info = driver.probe(&settings, &field.context(&work)).expect("works");
    assert_eq!((info.version.as_str(), info.details["rootless"].as_str()), ("libcontainer 0.7", "no"));
    assert_eq!(field.leftovers(), Vec::<String>::new());
    assert_eq!(field.sweep(), 0);
}
