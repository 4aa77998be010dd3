//! The host's end of the agent's connection.

use crate::{WaitError, now, readable};
use isotare_core::{Deadline, JobOutput};
use isotare_protocol::{
    ClockPair, FrameBuffer, FrameError, FromAgent, Hello, Job, Observation, Stream, ToAgent, VERSION,
    decode_hello, encode,
};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// A connection over which an agent has said hello.
#[derive(Debug)]
pub struct AgentClient {
    stream: UnixStream,
    buffer: FrameBuffer,
    hello: Hello,
}

/// What happens while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// The warm-up is over.
    Measuring,
}

/// A conversation that did not go as it should.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The deadline passed, the user stopped it, or the system refused.
    #[error("the agent's answer: {0}")]
    Wait(#[from] WaitError),
    /// The connection ended: the instance or its agent died.
    #[error("the agent's connection ended")]
    Closed,
    /// It sent what no agent of ours sends.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An answer to another question.
    #[error("the agent answered something else: {0}")]
    Unexpected(String),
    /// It could not run the job.
    #[error("the agent refused: {0}")]
    Refused(String),
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
            client.fill(deadline)?;
        };
        client.send(&ToAgent::Welcome(VERSION), deadline)?;
        Ok(client)
    }

    /// What the agent said first.
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

    /// Runs a job to its end. `event` is called as things happen.
    pub fn run(
        &mut self,
        job: &Job,
        observe_ms: Option<u32>,
        deadline: &Deadline,
        event: &mut dyn FnMut(JobEvent),
    ) -> Result<(JobOutput, Vec<Observation>), AgentError> {
        self.send(&ToAgent::Run { job: job.clone(), observe_ms }, deadline)?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.receive(deadline)? {
                FromAgent::Output { stream: Stream::Stdout, data } => stdout.extend_from_slice(&data),
                FromAgent::Output { stream: Stream::Stderr, data } => stderr.extend_from_slice(&data),
                FromAgent::Measuring => event(JobEvent::Measuring),
                FromAgent::Finished { result, observations } => {
                    return Ok((JobOutput { result, stdout, stderr }, observations));
                }
                FromAgent::Refused(why) => return Err(AgentError::Refused(why)),
                other => return Err(unexpected(&other)),
            }
        }
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
        loop {
            if let Some(message) = self.buffer.next_message()? {
                return Ok(message);
            }
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: &Deadline) -> Result<(), AgentError> {
        readable(self.stream.as_fd(), None, deadline)?;
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

fn unexpected(message: &FromAgent) -> AgentError {
    let text = format!("{message:?}");
    AgentError::Unexpected(text.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline_in;
    use isotare_core::Interrupt;
    use isotare_protocol::encode_hello;
    use std::time::Duration;

    fn soon() -> Deadline {
        deadline_in(Duration::from_millis(200), &Interrupt::default())
    }

    #[test]
    fn a_peer_that_is_no_agent_or_is_silent_or_hangs_up_is_told_apart() {
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
