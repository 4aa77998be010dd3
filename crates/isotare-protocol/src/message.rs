//! The messages, one enum for each direction.

use crate::{Job, JobResult, Observed, Service, ServiceEnd, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The agent's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the agent program.
    pub agent_version: String,
    /// Process id of the agent as it sees itself (1 where it is init).
    pub pid: u32,
    /// The agent's `CLOCK_MONOTONIC` when it wrote this, ns.
    pub clock_ns: u64,
    /// The agent's `CLOCK_MONOTONIC` when its `main` began, ns.
    pub started_ns: u64,
}

/// From host to agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToAgent {
    /// The host accepts the handshake; its protocol version.
    Welcome(u32),
    /// Asks for the agent's clock; answered by [`FromAgent::Pong`] at once, also while a job runs.
    Ping,
    /// Asks what the agent can see of the system it runs on; answered by [`FromAgent::Facts`].
    Facts,
    /// Asks for hashes of files of the instance; answered by [`FromAgent::Hashes`]. It is sent after a job,
    /// when the files are in the page cache anyway.
    Hash {
        /// Absolute paths.
        files: Vec<String>,
    },
    /// Runs a job; answered by any number of `Output`, one `Measuring`, one `Measured` and one `Finished`, or
    /// at any time by one `Refused`.
    Run {
        /// What to run.
        job: Job,
        /// Read the instance's own counters at both ends and this often while the job is measured; `None`:
        /// not at all.
        observe_ms: Option<u32>,
    },
    /// Sends a signal to the process group of the job under way.
    Signal(i32),
    /// Starts a service; answered by [`FromAgent::ServiceReady`] or [`FromAgent::ServiceEnded`]. It runs on
    /// beside jobs.
    Serve {
        /// Name for it, of the host's choice; unique on this connection.
        id: u32,
        /// What to serve.
        service: Service,
    },
    /// Stops a service; answered by [`FromAgent::ServiceEnded`].
    StopService {
        /// Which.
        id: u32,
    },
    /// Ends the agent: it exits, or, if it is the init of a virtual machine, powers the machine off.
    PowerOff,
}

/// From agent to host, after [`Hello`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromAgent {
    /// Answer to [`ToAgent::Ping`].
    Pong {
        /// The agent's `CLOCK_MONOTONIC`, ns.
        clock_ns: u64,
    },
    /// Answer to [`ToAgent::Facts`]: name to value, names as in the fairness ledger.
    Facts(BTreeMap<String, String>),
    /// Answer to [`ToAgent::Hash`]: a hash of each file's content, in hexadecimal; `None` for one that cannot
    /// be read.
    Hashes(Vec<Option<String>>),
    /// A piece of the job's output, in order.
    Output {
        /// Which stream.
        stream: Stream,
        /// The bytes, unchanged.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// The warm-up is over; measuring begins now.
    Measuring,
    /// The work is done. Only the counters still have to be reported.
    Measured,
    /// The job ended.
    Finished {
        /// Its result.
        result: JobResult,
        /// The readings of the instance's own counters.
        observed: Box<Observed>,
    },
    /// A service is ready for requests.
    ServiceReady {
        /// Which.
        id: u32,
    },
    /// A service has ended: because it was stopped, or, at any time, by itself.
    ServiceEnded {
        /// Which.
        id: u32,
        /// How.
        end: ServiceEnd,
    },
    /// The job could not be started or failed; the text contains operation, subject and cause.
    Refused(String),
}

/// An output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether the process ended with status 0.
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// One reading of both clocks: the agent's was read between the two readings of the host's (Cristian's
/// method).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockPair {
    /// Host `CLOCK_MONOTONIC` before the question, ns.
    pub asked_ns: u64,
    /// Agent `CLOCK_MONOTONIC`, ns.
    pub agent_ns: u64,
    /// Host `CLOCK_MONOTONIC` after the answer, ns.
    pub answered_ns: u64,
}

impl Usage {
    /// User plus system CPU time, ns. An instance can send any time, so the sum saturates at the largest
    /// number.
    pub fn cpu_ns(&self) -> u64 {
        self.user_ns.saturating_add(self.system_ns)
    }
}
