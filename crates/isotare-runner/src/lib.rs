//! Executes a [`isotare_core::Plan`] through the ports.
//!
//! [`Bench::prepare`] makes every environment ready, [`Bench::run`] executes the trials in the plan's order and
//! hands each to a [`Sink`], and dropping the bench undoes the preparation. This crate names no concrete driver,
//! workload or store; it owns timing, deadlines and the guarantee that nothing is left behind.

mod bench;
mod bits;
mod canary;
mod clean;
mod course;
mod event;
mod figures;
mod patience;
mod phases;
mod queue;
mod trial;
mod watch;

pub use bench::{Bench, BenchError, Places, Work};
pub use clean::{CleanReport, clean};
pub use event::{Event, Forecast, Interim, MOST_FORETOLD, Sink, SinkError};
