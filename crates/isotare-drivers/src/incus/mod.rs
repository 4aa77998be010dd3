//! `incus` and `lxd`: system containers of a daemon on this machine, through the REST API that both speak.
//!
//! Incus is a fork of LXD. For the purposes of this driver, they differ only in the path of their sockets.
//! The client is asynchronous. `client.rs` hides this and offers blocking calls with deadlines.

mod client;
mod daemon;
mod driver;
mod environment;
mod image;
mod instance;
mod removal;

pub use daemon::{INCUS, LXD};
