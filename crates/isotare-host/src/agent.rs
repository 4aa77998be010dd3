//! The host's side of the connection to the agent.

use crate::pings::Pings;
use crate::wait::first_readable;
use crate::{OutputTap, WaitError, now};
use isotare_core::Deadline;
use isotare_protocol::{
    ClockPair, FrameBuffer, FrameError, FromAgent, Hello, Job, JobResult, Observed, Service, ServiceEnd,
    ToAgent, VERSION, decode_hello, encode,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A connection over which an agent has said hello.
#[derive(Debug)]
pub struct AgentClient {
    stream: UnixStream,
    buffer: FrameBuffer,
    hello: Hello,
}

/// The result of a job.
#[derive(Debug)]
pub struct JobDone {
    /// Its result.
    pub result: JobResult,
    /// The readings of the instance's own counters.
    pub observed: Observed,
    /// Readings of both clocks while it ran: none in its first second, then at most one a second.
    pub clock: Vec<ClockPair>,
}

/// Events while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// The warm-up is over.
    Measuring,
    /// The work is done.
    Measured,
}

/// An error of the communication with the agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The deadline passed, the user stopped it, or the system refused.
    #[error("the agent's answer did not come")]
    Wait(#[from] WaitError),
    /// The connection ended: the instance or its agent died.
    #[error("the agent's connection ended")]
    Closed,
    /// It sent something that our agent never sends.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An unexpected answer.
    #[error("the agent sent an unexpected answer: {0}")]
    Unexpected(String),
    /// It could not run the job.
    #[error("the agent refused: {0}")]
    Refused(String),
    /// A service ended, though nobody stopped it, or it did not become ready.
    #[error("the service ended: {}", ended(.0))]
    ServiceEnded(Box<ServiceEnd>),
    /// Another agent has sent something while a job ran, which says why nobody waits for the job any more.
    #[error("another agent of the trial sent a message that was not expected")]
    OtherSpoke,
    /// The job wrote too much.
    #[error(
        "the workload wrote more than {limit} bytes to standard output and standard error together, which is \
         the limit for a trial; raise it with --output-limit, or with output-limit in an experiment file"
    )]
    TooMuchOutput {
        /// The limit, bytes.
        limit: u64,
    },
    /// The output of the job could not be kept.
    #[error("keep the workload's output in the work folder (free space there, or leave --keep-output out)")]
    Keep(#[source] io::Error),
}

impl AgentClient {
    /// Waits for the hello on a fresh connection and welcomes the agent.
    pub fn greet(stream: UnixStream, deadline: &Deadline) -> Result<Self, AgentError> {
        stream.set_nonblocking(false).map_err(WaitError::Io)?;
        let empty = Hello { agent_version: String::new(), pid: 0, clock_ns: 0, started_ns: 0 };
        let mut client = Self { stream, buffer: FrameBuffer::default(), hello: empty };
        client.hello = loop {
            if let Some(body) = client.buffer.next_body()? {
                break decode_hello(body)?;
            }
            client.fill(&[], deadline)?;
        };
        client.send(&ToAgent::Welcome(VERSION), deadline)?;
        Ok(client)
    }

    /// The agent's hello.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What the agent sees of its system.
    pub fn facts(&mut self, deadline: &Deadline) -> Result<BTreeMap<String, String>, AgentError> {
        self.send(&ToAgent::Facts, deadline)?;
        match self.receive(deadline)? {
            FromAgent::Facts(facts) => Ok(facts),
            other => Err(unexpected(&other)),
        }
    }

    /// A hash of the content of each of these files of the instance; `None` for one that cannot be read.
    pub fn hashes(
        &mut self,
        files: Vec<String>,
        deadline: &Deadline,
    ) -> Result<Vec<Option<String>>, AgentError> {
        self.send(&ToAgent::Hash { files }, deadline)?;
        match self.receive(deadline)? {
            FromAgent::Hashes(hashes) => Ok(hashes),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads both clocks `times` times and keeps the reading with the shortest round trip.
    pub fn clock(&mut self, times: u32, deadline: &Deadline) -> Result<ClockPair, AgentError> {
        let mut best: Option<ClockPair> = None;
        for _ in 0..times.max(1) {
            let asked_ns = now().0;
            self.send(&ToAgent::Ping, deadline)?;
            let agent_ns = match self.receive(deadline)? {
                FromAgent::Pong { clock_ns } => clock_ns,
                other => return Err(unexpected(&other)),
            };
            let pair = ClockPair { asked_ns, agent_ns, answered_ns: now().0 };
            let trip = |pair: &ClockPair| pair.answered_ns - pair.asked_ns;
            if best.as_ref().is_none_or(|best| trip(&pair) < trip(best)) {
                best = Some(pair);
            }
        }
        best.ok_or(AgentError::Closed)
    }

    /// Starts a service and waits until it is ready. From then on, its end is an error of whatever is asked
    /// of this agent next.
    pub fn serve(&mut self, id: u32, service: &Service, deadline: &Deadline) -> Result<(), AgentError> {
        self.send(&ToAgent::Serve { id, service: service.clone() }, deadline)?;
        match self.receive(deadline)? {
            FromAgent::ServiceReady { id: ready } if ready == id => Ok(()),
            FromAgent::Refused(why) => Err(AgentError::Refused(why)),
            other => Err(unexpected(&other)),
        }
    }

    /// Stops a service and returns how it ended, with its log.
    pub fn stop_service(&mut self, id: u32, deadline: &Deadline) -> Result<ServiceEnd, AgentError> {
        self.send(&ToAgent::StopService { id }, deadline)?;
        match self.receive(deadline) {
            Err(AgentError::ServiceEnded(end)) => Ok(*end),
            Ok(other) => Err(unexpected(&other)),
            Err(error) => Err(error),
        }
    }

    /// Reads a message that nobody asked for, if one has come. Each of them is an error: a service or the
    /// instance has ended.
    pub fn news(&mut self, deadline: &Deadline) -> Result<(), AgentError> {
        let has_message = || {
            let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        };
        match self.buffer.is_empty() && !has_message() {
            true => Ok(()),
            false => Err(unexpected(&self.receive(deadline)?)),
        }
    }

    /// Runs a job to its end. Its output goes to `tap`, which also has it after an error. `event` is called
    /// for each event.
    pub fn run(
        &mut self,
        job: &Job,
        observe_ms: Option<u32>,
        deadline: &Deadline,
        tap: &mut OutputTap,
        event: &mut dyn FnMut(JobEvent),
    ) -> Result<JobDone, AgentError> {
        self.run_beside(&[], job, observe_ms, deadline, tap, event)
    }

    /// [`AgentClient::run`] in a trial with other agents. If one of them sends a message meanwhile, that is an
    /// error: they have not been asked for anything, so something of theirs has ended.
    pub fn run_beside(
        &mut self,
        others: &[&AgentClient],
        job: &Job,
        observe_ms: Option<u32>,
        deadline: &Deadline,
        tap: &mut OutputTap,
        event: &mut dyn FnMut(JobEvent),
    ) -> Result<JobDone, AgentError> {
        self.send(&ToAgent::Run { job: job.clone(), observe_ms }, deadline)?;
        let mut pings = Pings::new(now());
        loop {
            match self.receive_pinging(&mut pings, others, deadline)? {
                FromAgent::Output { stream, data } => tap.take(stream, &data)?,
                FromAgent::Measuring => event(JobEvent::Measuring),
                FromAgent::Measured => event(JobEvent::Measured),
                FromAgent::Finished { result, observed } => {
                    let clock = self.last_pong(pings, deadline)?;
                    return Ok(JobDone { result, observed: *observed, clock });
                }
                FromAgent::Refused(why) => {
                    self.last_pong(pings, deadline)?;
                    return Err(AgentError::Refused(why));
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// The next message but for answers to pings, which are sent when they are due.
    fn receive_pinging(
        &mut self,
        pings: &mut Pings,
        others: &[&AgentClient],
        deadline: &Deadline,
    ) -> Result<FromAgent, AgentError> {
        loop {
            let due = pings.due().filter(|due| *due < deadline.at);
            if due.is_some_and(|due| due <= now()) {
                pings.ask(now());
                self.send(&ToAgent::Ping, deadline)?;
            }
            let at = pings.due().map_or(deadline.at, |due| due.min(deadline.at));
            match self.receive_beside(others, &Deadline { at, interrupt: deadline.interrupt.clone() }) {
                Ok(FromAgent::Pong { clock_ns }) if pings.answered(clock_ns, now()) => {}
                Err(AgentError::Wait(WaitError::TimedOut)) if at < deadline.at => {}
                other => return other,
            }
        }
    }

    /// The readings of both clocks, once the answer that is still under way has come.
    fn last_pong(&mut self, mut pings: Pings, deadline: &Deadline) -> Result<Vec<ClockPair>, AgentError> {
        while pings.is_asked() {
            match self.receive(deadline)? {
                FromAgent::Pong { clock_ns } => drop(pings.answered(clock_ns, now())),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(pings.into_pairs())
    }

    /// Tells the agent to end. Its connection ends with it.
    pub fn power_off(&mut self, deadline: &Deadline) -> Result<(), AgentError> {
        self.send(&ToAgent::PowerOff, deadline)
    }

    fn send(&mut self, message: &ToAgent, deadline: &Deadline) -> Result<(), AgentError> {
        let left = deadline.at.since(now()).max(std::time::Duration::from_millis(1));
        self.stream.set_write_timeout(Some(left)).map_err(WaitError::Io)?;
        match self.stream.write_all(&encode(message)?) {
            Ok(()) => Ok(()),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => AgentError::Closed,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Wait(WaitError::TimedOut),
                _ => AgentError::Wait(WaitError::Io(error)),
            }),
        }
    }

    fn receive(&mut self, deadline: &Deadline) -> Result<FromAgent, AgentError> {
        self.receive_beside(&[], deadline)
    }

    fn receive_beside(
        &mut self,
        others: &[&AgentClient],
        deadline: &Deadline,
    ) -> Result<FromAgent, AgentError> {
        loop {
            match self.buffer.next_message()? {
                Some(FromAgent::ServiceEnded { end, .. }) => {
                    return Err(AgentError::ServiceEnded(Box::new(end)));
                }
                Some(message) => return Ok(message),
                None => self.fill(others, deadline)?,
            }
        }
    }

    fn fill(&mut self, others: &[&AgentClient], deadline: &Deadline) -> Result<(), AgentError> {
        // A peer that never stops sending is always readable.
        if now() >= deadline.at {
            return Err(AgentError::Wait(WaitError::TimedOut));
        }
        let others: Vec<BorrowedFd<'_>> = others.iter().map(|other| other.stream.as_fd()).collect();
        match first_readable(self.stream.as_fd(), &others, deadline) {
            Err(WaitError::Died) => return Err(AgentError::OtherSpoke),
            done => done?,
        }
        let mut chunk = [0; 1 << 16];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(AgentError::Closed),
            Ok(length) => {
                self.buffer.feed(&chunk[..length]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(AgentError::Closed),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(AgentError::Wait(WaitError::Io(error))),
        }
    }
}

/// How a service ended, with the end of its log.
fn ended(end: &ServiceEnd) -> String {
    let how = match (&end.why, end.exit) {
        (Some(why), _) => why.clone(),
        (None, Some(exit)) => exit.to_string(),
        (None, None) => "its exit status is not known".to_owned(),
    };
    match String::from_utf8_lossy(&end.log).trim() {
        "" => format!("{how}; it wrote nothing"),
        log => format!("{how}; the end of what it wrote:\n{log}"),
    }
}

fn unexpected(message: &FromAgent) -> AgentError {
    let text = format!("{message:?}");
    AgentError::Unexpected(text.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline_in;
    use isotare_core::Interrupt;
    use isotare_protocol::{CommandJob, Exit, Repetition, Stream, encode_hello};
    use std::time::Duration;

    fn soon() -> Deadline {
        deadline_in(Duration::from_millis(200), &Interrupt::default())
    }

    /// A job of 2.3 s. The agent answers the first ping late, and the second one after the end of the job.
    #[test]
    fn the_clock_is_read_while_a_long_job_runs() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let hello = Hello { agent_version: "t".into(), pid: 1, clock_ns: 0, started_ns: 0 };
        let agent = std::thread::spawn(move || {
            let mut say = |frame: Vec<u8>| theirs.write_all(&frame).expect("written");
            let pong = |clock_ns| encode(&FromAgent::Pong { clock_ns }).expect("encodes");
            say(encode_hello(&hello).expect("encodes"));
            std::thread::sleep(Duration::from_millis(1_300));
            say(pong(1));
            std::thread::sleep(Duration::from_millis(1_000));
            let result = JobResult::Command { exit: Exit::Code(0), runs: Vec::new() };
            say(encode(&FromAgent::Finished { result, observed: Box::default() }).expect("encodes"));
            say(pong(2));
            theirs
        });
        let deadline = deadline_in(Duration::from_secs(10), &Interrupt::default());
        let mut client = AgentClient::greet(ours, &deadline).expect("greets");
        let job = CommandJob {
            argv: vec!["x".into()],
            env: Vec::new(),
            directory: None,
            stdin: Vec::new(),
            repetition: Repetition::Once,
        };
        let mut tap = OutputTap::default();
        let done = client.run(&Job::Command(job), None, &deadline, &mut tap, &mut |_| {}).expect("ran");
        assert_eq!(done.clock.iter().map(|pair| pair.agent_ns).collect::<Vec<_>>(), [1, 2]);
        let [first, second] = done.clock[..] else { panic!("two") };
        let second_ns = 1_000_000_000;
        assert!(first.answered_ns - first.asked_ns >= second_ns / 5, "{first:?}");
        assert!(second.asked_ns - first.asked_ns >= second_ns, "{first:?} {second:?}");
        let mut rest = Vec::new();
        drop(client);
        agent.join().expect("no panic").read_to_end(&mut rest).expect("read");
        let mut sent = FrameBuffer::default();
        sent.feed(&rest);
        let messages = std::iter::from_fn(|| sent.next_message::<ToAgent>().expect("messages"));
        let pings = messages.filter(|message| *message == ToAgent::Ping).count();
        assert_eq!(pings, 2, "none in the first second");
    }

    #[test]
    fn a_job_that_never_stops_writing_is_timed_out() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let agent = std::thread::spawn(move || {
            let hello = Hello { agent_version: "t".into(), pid: 1, clock_ns: 0, started_ns: 0 };
            theirs.write_all(&encode_hello(&hello).expect("encodes")).expect("written");
            let data = vec![0; 1 << 16];
            let frame = encode(&FromAgent::Output { stream: Stream::Stderr, data }).expect("encodes");
            while theirs.write_all(&frame).is_ok() {}
        });
        let patient = deadline_in(Duration::from_secs(600), &Interrupt::default());
        let mut client = AgentClient::greet(ours, &patient).expect("greets");
        let job = CommandJob {
            argv: vec!["yes".into()],
            env: Vec::new(),
            directory: None,
            stdin: Vec::new(),
            repetition: Repetition::Once,
        };
        let mut tap = OutputTap::new(Some(16 << 30));
        let ended = client.run(&Job::Command(job), None, &soon(), &mut tap, &mut |_| {});
        assert!(matches!(ended, Err(AgentError::Wait(WaitError::TimedOut))), "{ended:?}");
        drop(client);
        agent.join().expect("it ends with the connection");
    }

    #[test]
    fn different_errors_distinguish_foreign_silent_and_closed_peers() {
        let hello = Hello { agent_version: "t".into(), pid: 1, clock_ns: 0, started_ns: 0 };
        let greet = |sent: Option<Vec<u8>>, keep: bool| {
            let (ours, mut theirs) = UnixStream::pair().expect("a pair");
            theirs.write_all(&sent.unwrap_or_default()).expect("written");
            let kept = keep.then_some(theirs);
            let result = AgentClient::greet(ours, &soon()).map(|client| client.hello().clone());
            drop(kept);
            result
        };
        assert_eq!(greet(Some(encode_hello(&hello).expect("encodes")), true).expect("greets"), hello);
        assert!(matches!(
            greet(Some(vec![3, 0, 0, 0, 1, 2, 3]), true),
            Err(AgentError::Frame(FrameError::NoAgent(_)))
        ));
        assert!(matches!(greet(None, true), Err(AgentError::Wait(WaitError::TimedOut))));
        assert!(matches!(greet(None, false), Err(AgentError::Closed)));
    }
}
