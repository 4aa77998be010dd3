//! `ladder`: adds one mechanism of isolation after another around the same process, to measure the cost of
//! each.
//!
//! Every rung starts the agent in the same way: this program is run again as a [`launcher`](launch), which
//! clones one child and waits for it. Two neighbouring rungs differ only by one mechanism in the child.

mod capabilities;
mod driver;
mod filter;
mod inside;
mod launcher;
mod order;
mod root;
mod rung;

pub use driver::Ladder;
pub(crate) use launcher::launch;
