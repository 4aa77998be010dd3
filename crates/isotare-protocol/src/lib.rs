//! The protocol between `isotare` and its agent.
//!
//! One connection carries length-framed messages in both directions. The agent speaks first ([`Hello`], which
//! is also the signal that the instance is ready), the host answers [`ToAgent::Welcome`], then sends one
//! request at a time, and pings and signals at any time. Services run beside requests: the agent reports the
//! end of one whenever it comes. Framing works on any [`std::io::Read`] or [`std::io::Write`].

mod frame;
mod job;
mod message;
mod service;

pub use frame::{FrameBuffer, FrameError, MAX_FRAME, decode_hello, encode, encode_hello, hello_at};
pub use job::{
    Access, Builtin, CommandJob, EchoJob, FileMode, FileioJob, Interval, Job, JobResult, Kind, Limit,
    MemoryJob, Observation, Observed, Operation, Pattern, Repetition, Usage, WorkReport,
};
pub use message::{ClockPair, Exit, FromAgent, Hello, Stream, ToAgent};
pub use service::{LOG_LIMIT, Ready, Served, Service, ServiceEnd};

/// Version of the protocol. The handshake refuses a peer that speaks another one.
pub const VERSION: u32 = 4;
