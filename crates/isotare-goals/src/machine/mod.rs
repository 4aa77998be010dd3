//! What can only be shown on a machine: false verdicts of whole sessions, and of other tools beside them.

mod duel;
mod load;
mod null;
mod program;

pub use duel::duel;
pub use null::null_sessions;
pub use program::Isotare;
