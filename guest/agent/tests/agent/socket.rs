//! Tests that control the real agent over a real Unix socket.

use super::host::{Agent, Answer};
use isotare_protocol::{
    Access, Builtin, CommandJob, Exit, FileMode, FileioJob, FromAgent, Job, Kind, Limit, MemoryJob,
    Operation, Pattern, Repetition, ToAgent, VERSION, encode,
};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn command(argv: &[&str]) -> CommandJob {
    CommandJob {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("GREETING".into(), "hello".into())],
        directory: None,
        stdin: Vec::new(),
        repetition: Repetition::Once,
    }
}

fn script_job(script: &str) -> Job {
    Job::Command(command(&["sh", "-c", script]))
}

fn shell(agent: &mut Agent, script: &str) -> Answer {
    agent.run(script_job(script))
}

fn alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

/// Waits for the end of a process. The kernel may take a moment to end the members of a group.
fn ends(pid: &str) -> bool {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while alive(pid) && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    !alive(pid)
}

#[test]
fn the_handshake_gives_clocks_and_facts() {
    let (mut agent, hello) = Agent::start();
    assert_eq!(hello.pid, agent.child.id());
    assert!(hello.started_ns <= hello.clock_ns);
    agent.send(&ToAgent::Ping);
    let FromAgent::Pong { clock_ns } = agent.next() else { panic!("no pong") };
    assert!(clock_ns >= hello.clock_ns);
    agent.send(&ToAgent::Facts);
    let FromAgent::Facts(facts) = agent.next() else { panic!("no facts") };
    assert!(facts.contains_key("kernel") && facts.contains_key("clock.cost_ns"), "{facts:?}");
    agent.send(&ToAgent::PowerOff);
    assert!(agent.wait_exit().success());
}

#[test]
fn the_clock_is_sent_while_a_job_runs() {
    let (mut agent, _) = Agent::start();
    let mut work = builtin(Kind::Cpu { max_prime: 1000 });
    work.limit.duration_ms = Some(300);
    for job in [script_job("sleep 0.3"), Job::Builtin(work)] {
        agent.send(&ToAgent::Run { job, observe_ms: None });
        assert_eq!(agent.next(), FromAgent::Measuring);
        let mut last = 0;
        for _ in 0..3 {
            agent.send(&ToAgent::Ping);
            let FromAgent::Pong { clock_ns } = agent.next() else { panic!("the job ended first") };
            assert!(clock_ns > last);
            last = clock_ns;
        }
        assert!(matches!(agent.answer().end, Some(FromAgent::Finished { .. })));
    }
}

#[test]
fn pongs_do_not_split_the_output_of_a_program() {
    let (mut agent, _) = Agent::start();
    agent.send(&ToAgent::Run { job: script_job("head -c 5242880 /dev/zero"), observe_ms: None });
    for _ in 0..200 {
        agent.send(&ToAgent::Ping);
    }
    let (mut bytes, mut pongs, mut has_ended) = (0, 0, false);
    while !has_ended || pongs < 200 {
        match agent.next() {
            FromAgent::Output { data, .. } => bytes += data.len(),
            FromAgent::Pong { .. } => pongs += 1,
            FromAgent::Measuring | FromAgent::Measured => {}
            FromAgent::Finished { .. } => has_ended = true,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bytes, 5 << 20);
}

#[test]
fn another_version_is_refused() {
    let (mut agent, _) = Agent::start();
    agent.send(&ToAgent::PowerOff);
    agent.wait_exit();
    let socket = agent.data.path().join("t");
    let listener = UnixListener::bind(&socket).expect("binds");
    let mut child = Command::new(env!("CARGO_BIN_EXE_isotare-agent"))
        .arg("--socket")
        .arg(&socket)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let (mut stream, _) = listener.accept().expect("accepts");
    stream.write_all(&encode(&ToAgent::Welcome(VERSION + 1)).expect("encodes")).expect("sends");
    assert!(!child.wait().expect("waits").success());
}

#[test]
fn ends_of_programs_are_reported_as_they_were() {
    let (mut agent, _) = Agent::start();
    for code in [0, 1, 77, 255] {
        let answer = shell(&mut agent, &format!("exit {code}"));
        assert_eq!(answer.command().0, Exit::Code(code));
        assert_eq!((answer.measuring, answer.command().1.len()), (1, 1));
    }
    assert_eq!(shell(&mut agent, "kill -ABRT $$").command().0, Exit::Signal(6));
    // The job decides all environment variables. The current folder is the data folder. SIGPIPE has its usual
    // effect.
    let answer = shell(&mut agent, "echo $GREETING; pwd; yes | head -1; echo ${HOME-none} >&2");
    let folder = agent.folder();
    assert_eq!(answer.stdout, format!("hello\n{}\ny\n", folder.display()).into_bytes());
    assert_eq!(answer.stderr, b"none\n");
}

#[test]
fn usage_is_that_of_the_program() {
    let (mut agent, _) = Agent::start();
    let answer = shell(&mut agent, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.05");
    let usage = answer.command().1[0];
    assert!(usage.wall_ns >= 50_000_000 + usage.cpu_ns() / 2, "{usage:?}");
    assert!(usage.user_ns > 10_000_000, "{usage:?}");
    assert!(usage.max_rss > 100_000 && usage.minor_faults > 10, "{usage:?}");
}

#[test]
fn five_mebibytes_come_whole_on_both_streams() {
    let (mut agent, _) = Agent::start();
    let script = "head -c 5242880 /dev/zero & head -c 5242880 /dev/zero | tr '\\0' x >&2; wait";
    let answer = shell(&mut agent, script);
    assert_eq!(answer.command().0, Exit::Code(0));
    assert_eq!((answer.stdout.len(), answer.stderr.len()), (5 << 20, 5 << 20));
    assert!(answer.stdout.iter().all(|&byte| byte == 0) && answer.stderr.iter().all(|&byte| byte == b'x'));
    assert!(answer.largest <= 64 << 10);
}

#[test]
fn input_arrives_whole_while_output_is_carried() {
    let (mut agent, _) = Agent::start();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let job = CommandJob { stdin: bytes.clone(), ..command(&["cat"]) };
    let answer = agent.run(Job::Command(job));
    assert!(answer.stdout == bytes, "input came back changed");
    // A program that does not read its input also ends.
    let job = CommandJob { stdin: bytes.clone(), ..command(&["true"]) };
    assert_eq!(agent.run(Job::Command(job)).command().0, Exit::Code(0));
    // Every run of a loop gets the input from the beginning.
    let repetition = Repetition::Loop { warmup: 1, min_runs: 3, duration_ms: 0 };
    let job = CommandJob { stdin: bytes, repetition, ..command(&["sh", "-c", "test $(wc -c) = 3000000"]) };
    let answer = agent.run(Job::Command(job));
    assert_eq!((answer.command().0, answer.command().1.len()), (Exit::Code(0), 3));
}

#[test]
fn a_hundred_programs_leave_no_open_descriptors() {
    let (mut agent, _) = Agent::start();
    let descriptors =
        |agent: &Agent| std::fs::read_dir(format!("/proc/{}/fd", agent.child.id())).expect("lists").count();
    shell(&mut agent, "exit 0");
    let before = descriptors(&agent);
    for n in 0..100 {
        assert_eq!(shell(&mut agent, &format!("echo {n}")).stdout, format!("{n}\n").into_bytes());
    }
    assert_eq!(descriptors(&agent), before);
}

#[test]
fn a_loop_times_its_runs_and_stops_at_a_failure() {
    let (mut agent, _) = Agent::start();
    let looped = |min_runs, duration_ms, argv: &[&str]| {
        let repetition = Repetition::Loop { warmup: 1, min_runs, duration_ms };
        Job::Command(CommandJob { repetition, ..command(argv) })
    };
    let answer = agent.run(looped(20, 0, &["echo", "once"]));
    let (exit, runs) = answer.command();
    assert_eq!((exit, runs.len(), answer.measuring), (Exit::Code(0), 20, 1));
    assert_eq!(answer.stdout, b"once\n", "output of the first discarded run only");
    assert!(runs.iter().all(|run| run.wall_ns > 0 && run.max_rss > 0));
    let answer = agent.run(looped(1, 60, &["sleep", "0.01"]));
    assert!((3..=7).contains(&answer.command().1.len()), "{}", answer.command().1.len());
    // The script fails in its fourth run, which is the third timed run.
    let script = "echo x >> n; test $(wc -l < n) -lt 4";
    let answer = agent.run(looped(10, 0, &["sh", "-c", script]));
    assert_eq!((answer.command().0, answer.command().1.len()), (Exit::Code(1), 3));
}

#[test]
fn what_cannot_run_is_refused_with_its_cause() {
    let (mut agent, _) = Agent::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("no-program"), "").expect("written");
    let mut nowhere = command(&["true"]);
    nowhere.directory = Some(path("missing"));
    let no_folder = format!("{} does not exist", path("missing"));
    for (job, why) in [
        (command(&[path("missing").rsplit_once('/').expect("absolute").1]), "not found in PATH"),
        (command(&[&path("missing")]), "No such file"),
        (command(&[&path("no-program")]), "ermission denied"),
        (command(&[]), "empty"),
        (nowhere, no_folder.as_str()),
    ] {
        let answer = agent.run(Job::Command(job));
        assert!(answer.refusal().contains(why), "{}", answer.refusal());
    }
    let zero = Builtin { threads: 0, ..builtin(Kind::Cpu { max_prime: 100 }) };
    assert!(agent.run(Job::Builtin(zero)).refusal().contains("1 thread"));
    assert_eq!(shell(&mut agent, "exit 3").command().0, Exit::Code(3), "the agent goes on");
}

#[test]
fn signals_reach_the_whole_group() {
    let (mut agent, _) = Agent::start();
    agent.send(&ToAgent::Signal(9));
    agent.send(&ToAgent::Run { job: script_job("sleep 60 & echo $! $$; wait"), observe_ms: None });
    assert_eq!(agent.next(), FromAgent::Measuring);
    let FromAgent::Output { data, .. } = agent.next() else { panic!("no output") };
    agent.send(&ToAgent::Signal(15));
    assert_eq!(agent.answer().command().0, Exit::Signal(15));
    for pid in String::from_utf8_lossy(&data).split_whitespace() {
        assert!(ends(pid), "{pid} still runs");
    }
    // A loop also ends, and so does a built-in workload.
    let repetition = Repetition::Loop { warmup: 0, min_runs: 1000, duration_ms: 0 };
    let job = Job::Command(CommandJob { repetition, ..command(&["sleep", "5"]) });
    agent.send(&ToAgent::Run { job, observe_ms: None });
    assert_eq!(agent.next(), FromAgent::Measuring);
    agent.send(&ToAgent::Signal(15));
    assert_eq!(agent.answer().command().0, Exit::Signal(15));
    let mut job = builtin(fileio(FileMode::SeqWrite));
    job.limit.duration_ms = Some(60_000);
    agent.send(&ToAgent::Run { job: Job::Builtin(job), observe_ms: None });
    assert_eq!(agent.next(), FromAgent::Measuring);
    agent.send(&ToAgent::Signal(15));
    assert_eq!(agent.answer().refusal(), "stopped by signal 15");
    assert_eq!(std::fs::read_dir(agent.folder()).expect("lists").count(), 0, "its files are gone");
}

#[test]
fn processes_that_a_program_leaves_behind_are_ended() {
    let (mut agent, _) = Agent::start();
    let answer = shell(&mut agent, "sleep 60 & echo $!");
    assert_eq!(answer.command().0, Exit::Code(0));
    let pid = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    assert!(ends(&pid), "{pid} still runs");
}

#[test]
fn the_end_of_the_connection_ends_all_programs() {
    for job in [
        script_job("sleep 60 & echo $! $$; wait"),
        script_job("trap '' TERM; echo $$; while :; do sleep 1; done"),
    ] {
        let (mut agent, _) = Agent::start();
        agent.send(&ToAgent::Run { job, observe_ms: None });
        assert_eq!(agent.next(), FromAgent::Measuring);
        let FromAgent::Output { data, .. } = agent.next() else { panic!("no output") };
        agent.stream.shutdown(std::net::Shutdown::Both).expect("closes");
        agent.wait_exit();
        for pid in String::from_utf8_lossy(&data).split_whitespace() {
            assert!(ends(pid), "{pid} still runs");
        }
    }
    let (mut agent, _) = Agent::start();
    let mut job = builtin(fileio(FileMode::RandomReadWrite));
    job.limit.duration_ms = Some(60_000);
    agent.send(&ToAgent::Run { job: Job::Builtin(job), observe_ms: None });
    assert_eq!(agent.next(), FromAgent::Measuring);
    agent.stream.shutdown(std::net::Shutdown::Both).expect("closes");
    agent.wait_exit();
    assert_eq!(std::fs::read_dir(agent.folder()).expect("lists").count(), 0, "its files are gone");
}

fn builtin(kind: Kind) -> Builtin {
    let limit = Limit { duration_ms: Some(100), events: None };
    Builtin { kind, threads: 2, limit, warmup_ms: 20, interval_ms: 20 }
}

fn fileio(mode: FileMode) -> Kind {
    let (total, pattern) = (1 << 20, Pattern::Buffered);
    let (fsync_every, fsync_end, read_write_ratio) = (100, true, 1.5);
    Kind::Fileio(FileioJob {
        mode,
        files: 4,
        total,
        block: 4096,
        fsync_every,
        fsync_end,
        pattern,
        read_write_ratio,
    })
}

#[test]
fn each_builtin_workload_runs() {
    let (mut agent, _) = Agent::start();
    let memory = |operation, access| Kind::Memory(MemoryJob { block: 4096, total: 0, operation, access });
    let kinds = [
        Kind::Cpu { max_prime: 1000 },
        memory(Operation::Read, Access::Sequential),
        memory(Operation::Write, Access::Sequential),
        memory(Operation::Read, Access::Random),
        memory(Operation::Write, Access::Random),
        Kind::Threads { yields: 10, locks: 2 },
        Kind::Mutex { mutexes: 16, locks: 100, loops: 100 },
        fileio(FileMode::SeqRead),
        fileio(FileMode::SeqWrite),
        fileio(FileMode::RandomRead),
        fileio(FileMode::RandomWrite),
        fileio(FileMode::RandomReadWrite),
        Kind::Network { size: 4096 },
    ];
    for kind in kinds {
        let job = Job::Builtin(builtin(kind.clone()));
        agent.send(&ToAgent::Run { job, observe_ms: Some(20) });
        let answer = agent.answer();
        let (report, observed) = answer.work();
        assert_eq!((answer.measuring, answer.measured), (1, 1));
        assert!(report.events > 0 && report.wrong == 0, "{kind:?}: {report:?}");
        assert!(report.elapsed_ns >= 99_000_000, "{kind:?}: {report:?}");
        assert_eq!(report.intervals.iter().map(|i| i.events).sum::<u64>(), report.events, "{kind:?}");
        assert!(report.usage.cpu_ns() > 0, "{kind:?}");
        // These are the first and the last reading. It depends on the scheduler whether there are others
        // between them.
        assert!(observed.readings.len() >= 2, "{kind:?}: {observed:?}");
        let counted =
            |name: &str| observed.counters.iter().find(|(of, _)| of == name).map(|(_, value)| *value);
        let burnt = counted("cpu_user").zip(counted("cpu_system")).map(|(user, system)| user + system);
        let used = report.usage.cpu_ns() as f64 / 1e9;
        assert!(burnt.is_some_and(|burnt| (burnt - used).abs() < 0.05), "{kind:?}: {burnt:?}, {used}");
        assert!(counted("host_run_time").is_some_and(|host| host > 0.0), "{kind:?}: {observed:?}");
        if kind == (Kind::Cpu { max_prime: 1000 }) {
            assert_eq!(report.proof, 167);
        }
    }
    assert_eq!(std::fs::read_dir(agent.folder()).expect("lists").count(), 0);
}
