//! Services beside jobs, on the real agent.

use crate::host::Agent;
use isotare_protocol::{
    Builtin, CommandJob, EchoJob, Exit, FromAgent, Job, Kind, LOG_LIMIT, Limit, Ready, Repetition, Served,
    Service, ServiceEnd, ToAgent,
};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

fn shell(script: &str) -> CommandJob {
    CommandJob {
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        directory: None,
        stdin: Vec::new(),
        repetition: Repetition::Once,
    }
}

fn serve(agent: &mut Agent, id: u32, script: &str, line: &str) {
    let what = Served::Command { job: shell(script), ready: Ready::Line(line.to_owned()) };
    agent.send(&ToAgent::Serve { id, service: Service { what, patience_ms: 30_000 } });
}

fn ended(message: FromAgent) -> (u32, ServiceEnd) {
    match message {
        FromAgent::ServiceEnded { id, end } => (id, end),
        other => panic!("{other:?}"),
    }
}

/// A port that nobody listens on. Another program could take it before the agent does; then the test says so.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    listener.local_addr().expect("an address")
}

#[test]
fn a_service_runs_beside_jobs_until_it_is_stopped() {
    let (mut agent, _) = Agent::start();
    serve(
        &mut agent,
        3,
        "trap 'echo told; exit 7' TERM; echo begun; echo up >&2; while :; do sleep 0.01; done",
        "up",
    );
    assert_eq!(agent.next(), FromAgent::ServiceReady { id: 3 });
    for _ in 0..3 {
        assert_eq!(agent.run(Job::Command(shell("echo job; exit 5"))).command().0, Exit::Code(5));
    }
    agent.send(&ToAgent::StopService { id: 3 });
    let (id, end) = ended(agent.next());
    assert_eq!((id, end.exit, end.why), (3, Some(Exit::Code(7)), None));
    let log = String::from_utf8_lossy(&end.log);
    // A shell may also say that the signal ended what it ran.
    assert!(log.starts_with("begun\nup\n") && log.ends_with("told\n"), "{log}");
}

#[test]
fn a_service_that_dies_says_how_and_its_log_is_bounded() {
    let (mut agent, _) = Agent::start();
    let script = "echo ready; yes wordy | head -c 300000; echo last words; kill -KILL $$";
    serve(&mut agent, 1, script, "ready");
    assert_eq!(agent.next(), FromAgent::ServiceReady { id: 1 });
    let (_, end) = ended(agent.next());
    assert_eq!(end.exit, Some(Exit::Signal(9)));
    assert!(end.log.len() <= LOG_LIMIT && end.log.ends_with(b"last words\n"), "{}", end.log.len());
    // Its end while a job runs comes between the messages of the job.
    let gate = agent.folder().join("gate");
    serve(
        &mut agent,
        2,
        &format!("echo ready; while [ ! -e {} ]; do sleep 0.01; done", gate.display()),
        "ready",
    );
    assert_eq!(agent.next(), FromAgent::ServiceReady { id: 2 });
    let job = Job::Command(shell(&format!("touch {}; sleep 60", gate.display())));
    agent.send(&ToAgent::Run { job, observe_ms: None });
    assert_eq!(agent.next(), FromAgent::Measuring);
    let (id, end) = ended(agent.next());
    assert_eq!((id, end.exit), (2, Some(Exit::Code(0))));
}

#[test]
fn a_service_that_is_not_ready_in_time_or_cannot_start_is_no_service() {
    let (mut agent, _) = Agent::start();
    let what = Served::Command { job: shell("echo no; exec sleep 600"), ready: Ready::Line("up".to_owned()) };
    agent.send(&ToAgent::Serve { id: 1, service: Service { what, patience_ms: 50 } });
    let (_, end) = ended(agent.next());
    assert_eq!(end.exit, Some(Exit::Signal(9)));
    assert!(end.why.as_deref().is_some_and(|why| why.contains("was not ready within")), "{end:?}");
    let job = CommandJob { argv: vec!["/no/such/server".to_owned()], ..shell("") };
    let what = Served::Command { job, ready: Ready::Port(9) };
    agent.send(&ToAgent::Serve { id: 2, service: Service { what, patience_ms: 50 } });
    let (id, end) = ended(agent.next());
    assert_eq!((id, end.exit), (2, None));
    assert!(end.why.as_deref().is_some_and(|why| why.contains("/no/such/server")), "{end:?}");
}

#[test]
fn echoes_are_measured_in_closed_and_in_open_loop() {
    let (mut agent, _) = Agent::start();
    let address = free_port();
    let what = Served::Echo { address, size: 200 };
    agent.send(&ToAgent::Serve { id: 1, service: Service { what, patience_ms: 1000 } });
    assert_eq!(agent.next(), FromAgent::ServiceReady { id: 1 });
    let mut run = |events, rate| {
        let job = Builtin {
            kind: Kind::Echo(EchoJob { address, size: 200, rate }),
            threads: 2,
            limit: Limit { duration_ms: None, events: Some(events) },
            warmup_ms: 1,
            interval_ms: 10,
        };
        let answer = agent.run(Job::Builtin(job));
        answer.work().0.clone()
    };
    let closed = run(500, None);
    assert_eq!((closed.events, closed.wrong, closed.bytes_read), (500, 0, 100_000));
    // 41 events that are 5 ms apart: the last one is intended to begin after 200 ms.
    let open = run(41, Some(200.0));
    assert_eq!((open.events, open.wrong), (41, 0));
    assert!(open.elapsed_ns >= 200_000_000, "{}", open.elapsed_ns);
}

#[test]
fn a_service_ends_with_the_connection() {
    let (mut agent, _) = Agent::start();
    let mark = agent.folder().join("pid");
    serve(&mut agent, 1, &format!("echo $$ > {}; echo up; exec sleep 600", mark.display()), "up");
    assert_eq!(agent.next(), FromAgent::ServiceReady { id: 1 });
    let pid = std::fs::read_to_string(&mark).expect("written").trim().to_owned();
    assert!(std::path::Path::new("/proc").join(&pid).exists());
    agent.send(&ToAgent::PowerOff);
    agent.wait_exit();
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}
