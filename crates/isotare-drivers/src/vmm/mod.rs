//! Machines of monitors that are told what to do over a REST interface on a Unix socket, one process for each machine.
//!
//! A [`Dialect`] is what tells one monitor from another. The guest's agent connects to a vsock port of its host, which
//! such monitors map to a Unix socket of ours.

mod client;
mod dialect;
mod environment;
mod instance;

pub(crate) use client::{Client, Request};
pub(crate) use dialect::{Dialect, Places};
pub(crate) use environment::VmmEnvironment;
