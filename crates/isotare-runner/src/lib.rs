//! Executes a [`isotare_core::Plan`] through the interfaces of isotare-core.
//!
//! [`Bench::prepare`] prepares every environment. [`Bench::run`] executes the trials in the plan's order and
//! hands each one to a [`Sink`]. Dropping the bench undoes the preparation. This crate does not know any
//! concrete driver, workload or store. It is responsible for timing, deadlines and the guarantee that nothing
//! is left behind.

mod bench;
mod bits;
mod canary;
mod clean;
mod course;
mod event;
mod figures;
mod observe;
mod patience;
mod phases;
mod queue;
mod stage;
mod trial;
mod watch;

pub use bench::{Bench, BenchError, FixedPlace, Places, Work};
pub use clean::{CleanReport, clean};
pub use event::{Event, Forecast, Interim, MOST_FORETOLD, Sink, SinkError};
