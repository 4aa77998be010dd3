//! Services: what an agent runs beside jobs until it is stopped.

use crate::{CommandJob, Exit};
use serde::{Deserialize, Serialize};

/// How much of a service's output is kept, bytes: the end of it.
pub const LOG_LIMIT: usize = 64 << 10;

/// A server of the instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// What runs.
    pub what: Served,
    /// How long that may take, ms. After this, it is stopped.
    pub patience_ms: u64,
}

/// What a service runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Served {
    /// Built in: sends each message of a TCP connection back when all of it has come. It is ready when it
    /// listens.
    Echo {
        /// Where it listens.
        address: std::net::SocketAddr,
        /// Bytes of a message.
        size: u64,
    },
    /// A program of the instance, once. Both output streams go to its log.
    Command {
        /// The program; its repetition is not used.
        job: CommandJob,
        /// When it counts as ready.
        ready: Ready,
    },
}

/// When a service is ready for requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// A TCP port of the loopback address accepts connections.
    Port(u16),
    /// Its output has a line that contains this text.
    Line(String),
}

/// How a service ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEnd {
    /// How its process ended; `None`: it has none, or it could not be started.
    pub exit: Option<Exit>,
    /// Why it ended, if its exit does not say so.
    pub why: Option<String>,
    /// The end of its output, at most [`LOG_LIMIT`] bytes.
    #[serde(with = "serde_bytes")]
    pub log: Vec<u8>,
}
