//! What the outside hears while a plan is executed.

use isotare_core::{Condition, Trial};

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// An environment is being made ready.
    Preparing {
        /// Its spec.
        environment: &'a str,
    },
    /// An environment will not take part; its trials are recorded with this reason.
    NotPrepared {
        /// Its spec.
        environment: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A trial begins.
    Begins {
        /// Trials done.
        done: usize,
        /// Trials that will probably run in all.
        expected: usize,
        /// Blocks done.
        block: u32,
        /// Blocks that will probably run in all.
        blocks: u32,
        /// Whether this one repeats a block that something else disturbed.
        is_repeat: bool,
        /// What is tried.
        condition: &'a Condition,
        /// Time left, seconds, once it can be told.
        left: Option<f64>,
    },
    /// A trial has ended and is to be kept.
    Ended(&'a Trial),
}

/// Whoever keeps and shows what happens.
pub trait Sink {
    /// Takes one event. An error ends the session, because what cannot be kept is not worth measuring.
    fn event(&mut self, event: &Event<'_>) -> Result<(), SinkError>;
}

/// An event that could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);
