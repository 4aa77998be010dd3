//! The events that are sent while a plan is executed.

use isotare_core::{Condition, Trial};
use isotare_host::WholeOutput;
use std::error::Error;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// An environment is being prepared.
    Preparing {
        /// Its spec.
        environment: &'a str,
    },
    /// An environment is left out. Its trials are recorded with this reason.
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
        /// The condition of the trial.
        condition: &'a Condition,
        /// Remaining time in seconds, once it is known.
        left: Option<f64>,
    },
    /// A trial has ended and is to be kept.
    Ended {
        /// Its record.
        trial: &'a Trial,
        /// The complete output of its workload. `None`: the record contains everything that is kept.
        whole: Option<&'a WholeOutput>,
    },
    /// Enough blocks have run to predict which differences the session will be able to find.
    Foretold {
        /// Number of blocks from which this is predicted.
        pilot: u32,
        /// Number of blocks that will probably count in the end. If the session stops on precision, this is
        /// the maximum.
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

/// The difference in a workload's first metric that a session will be able to find, predicted from its first
/// blocks.
#[derive(Clone, Copy, Debug)]
pub struct Forecast<'a> {
    /// The comparison with the most noise.
    pub condition: &'a Condition,
    /// The overhead that 80 % of sessions of the expected length would find, as a fraction.
    pub effect: f64,
    /// Number of blocks that would find an overhead of the size of the margin. `None`: more than
    /// [`MOST_FORETOLD`].
    pub for_margin: Option<usize>,
}

/// Maximum number of blocks that is predicted.
pub const MOST_FORETOLD: usize = 500;

/// Receives events, to store and show them.
pub trait Sink {
    /// Receives one event. An error ends the session, because a trial that cannot be stored need not be
    /// measured.
    fn event(&mut self, event: &Event<'_>) -> Result<(), SinkError>;
    /// Whether somebody sees what the blocks so far show; else it is not computed.
    fn is_watched(&self) -> bool {
        false
    }
}

/// An event that could not be handled.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SinkError(pub Box<dyn Error + Send + Sync>);
