//! How a trial can end. Only completed trials feed estimates.

use serde::{Deserialize, Serialize};

/// The end of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The work was done and verified.
    Completed,
    /// The environment does not work on this machine.
    Unavailable,
    /// The environment works, but cannot do this.
    Unsupported,
    /// Something failed.
    Failed,
    /// A phase passed its deadline.
    TimedOut,
    /// It ended, but its work was not done.
    Invalid,
    /// The user stopped the session during the trial.
    Interrupted,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 7] = [
        Outcome::Completed,
        Outcome::Unavailable,
        Outcome::Unsupported,
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::Invalid,
        Outcome::Interrupted,
    ];

    /// The word that every output uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Unavailable => "unavailable",
            Outcome::Unsupported => "unsupported",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed-out",
            Outcome::Invalid => "invalid",
            Outcome::Interrupted => "interrupted",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Why a trial did not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Operation, subject and cause, with every source of the error.
    pub reason: String,
    /// Output of the runtime, the guest's console or the workload that may explain it. It can be empty. Long
    /// output is shortened, see [`crate::shortened`].
    pub diagnostics: String,
}
