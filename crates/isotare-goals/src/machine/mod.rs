//! What can only be shown on a machine: known overheads, false verdicts of whole sessions, and those of other tools beside them.

mod duel;
mod hog;
mod load;
mod noise;
mod null;
mod program;
mod selftest;

pub use duel::duel;
pub use noise::g12;
pub use null::null_sessions;
pub use program::Isotare;
pub use selftest::selftest;
