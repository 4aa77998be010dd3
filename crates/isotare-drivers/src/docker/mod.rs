//! `docker`: containers of a Docker daemon on this machine, through its Engine API.
//!
//! The API's client is asynchronous. `engine.rs` hides this and offers blocking calls with deadlines.

mod address;
mod daemon;
mod diagnosis;
mod driver;
mod engine;
mod environment;
mod image;
mod info;
mod instance;
mod ports;
pub(crate) mod processes;
mod reached;
mod removal;

pub use daemon::{DaemonSetup, PrivateDaemon};
pub use driver::Docker;
