//! Adapters to runtimes, one folder each, listed in the [registry](DRIVERS).
//!
//! To add one: a folder here that implements [`isotare_core::Driver`], a line in `registry.rs`, a page in
//! `docs/drivers/`. The conformance suite runs over the registry.

mod container;
mod docker;
mod native;
mod qemu;
mod registry;

pub use container::{helper_process, set_helper_program};
pub use registry::{DRIVERS, UnknownDriver, find};
