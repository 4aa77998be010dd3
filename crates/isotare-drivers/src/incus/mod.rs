//! `incus` and `lxd`: system containers of a daemon on this machine, through the REST API that both speak.
//!
//! LXD is what Incus was forked from; for what is needed here they differ in where they listen and in nothing else. The
//! client is asynchronous; `client.rs` keeps that to itself and gives bounded, blocking calls.

mod client;
mod daemon;
mod driver;
mod environment;
mod image;
mod instance;
mod removal;

pub use daemon::{INCUS, LXD};
