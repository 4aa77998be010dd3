//! Executes a [`isotare_core::Plan`] through the ports.
//!
//! [`Bench::prepare`] makes every environment ready, [`Bench::run`] executes the trials in the plan's order and
//! hands each to a [`Sink`], and dropping the bench undoes the preparation. This crate names no concrete driver,
//! workload or store; it owns timing, deadlines and the guarantee that nothing is left behind.

mod bench;
mod bits;
mod clean;
mod event;
mod phases;
mod trial;

pub use bench::{Bench, BenchError, Places, Work};
pub use clean::{CleanReport, clean};
pub use event::{Event, Sink, SinkError};
