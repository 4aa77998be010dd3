//! What the outside hears while a plan is executed.

use isotare_core::{Condition, Trial};
use isotare_host::WholeOutput;

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
    Ended {
        /// Its record.
        trial: &'a Trial,
        /// All that its workload wrote; `None`: the record holds what is to be kept of it.
        whole: Option<&'a WholeOutput>,
    },
    /// Enough blocks have run to tell what the session will be able to see.
    Foretold {
        /// Blocks that this is told from.
        pilot: u32,
        /// Blocks that will probably count in the end; where the session ends on precision, at most.
        blocks: u32,
        /// The hardest comparison of each workload.
        forecasts: Vec<Forecast<'a>>,
    },
    /// A block has ended, and [`Sink::is_watched`].
    Interim {
        /// What the blocks so far show of each comparison.
        estimates: Vec<Interim<'a>>,
    },
}

/// What a comparison shows so far. It decides nothing: neither what runs next nor when it is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interim<'a> {
    /// What is compared with the baseline.
    pub condition: &'a Condition,
    /// The ratio of its first figures, turned so that above 1 is worse.
    pub cost: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a session will be able to see of a workload's first figure, told from its first blocks.
#[derive(Clone, Copy, Debug)]
pub struct Forecast<'a> {
    /// The comparison with the most noise.
    pub condition: &'a Condition,
    /// The overhead that is found in 80 % of sessions of the expected length, a fraction.
    pub effect: f64,
    /// Blocks that would find an overhead of the margin; `None`: not even [`MOST_FORETOLD`].
    pub for_margin: Option<usize>,
}

/// Most blocks that are worth foretelling.
pub const MOST_FORETOLD: usize = 500;

/// Whoever keeps and shows what happens.
pub trait Sink {
    /// Takes one event. An error ends the session, because what cannot be kept is not worth measuring.
    fn event(&mut self, event: &Event<'_>) -> Result<(), SinkError>;
    /// Whether somebody sees what the blocks so far show; else it is not computed.
    fn is_watched(&self) -> bool {
        false
    }
}

/// An event that could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);
