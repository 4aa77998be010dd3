//! Machines of monitors that have a REST interface on a Unix socket, with one process for each machine.
//!
//! A [`Dialect`] describes the differences between monitors. The guest's agent connects to a vsock port of
//! its host, which such monitors map to a Unix socket of ours.

mod client;
mod dialect;
mod environment;
mod instance;

pub(crate) use client::{Client, Request};
pub(crate) use dialect::{Dialect, Places};
pub(crate) use environment::VmmEnvironment;
