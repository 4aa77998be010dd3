//! The protocol between `isotare` and its agent.
//!
//! One connection carries length-framed messages in both directions. The agent speaks first ([`Hello`], which
//! is also the signal that the instance is ready), the host answers [`ToAgent::Welcome`], then sends one
//! request at a time, and pings and signals at any time. Framing works on any [`std::io::Read`] or
//! [`std::io::Write`].

mod frame;
mod job;
mod message;

pub use frame::{FrameBuffer, FrameError, MAX_FRAME, decode_hello, encode, encode_hello, hello_at};
pub use job::{
    Access, Builtin, CommandJob, FileMode, FileioJob, Interval, Job, JobResult, Kind, Limit, MemoryJob,
    Observation, Observed, Operation, Pattern, Repetition, Usage, WorkReport,
};
pub use message::{ClockPair, Exit, FromAgent, Hello, Stream, ToAgent};

/// Version of the protocol. The handshake refuses a peer that speaks another one.
pub const VERSION: u32 = 3;
