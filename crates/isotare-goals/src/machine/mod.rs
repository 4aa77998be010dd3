//! Goals that can only be checked on a machine: known overheads, and false verdicts of whole sessions and of
//! other tools.

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
