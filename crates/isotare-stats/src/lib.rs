//! Estimates and verdicts from paired blocks: slices of numbers in, intervals out.
//!
//! A block holds one trial of each condition, in random order and close in time. Each comparison pairs a
//! condition with the baseline within blocks, so that whatever slows a whole block cancels. Everything here is
//! a function of its arguments: no files, no clock, and random flips only from a seed that is an argument.
//! Choosing which trials count is left to the caller.

mod estimate;
mod family;
mod hodges_lehmann;
mod holm;
mod pairs;
mod power;
mod quantile;
mod serial;
mod sign_flips;
mod signed_rank;
mod student;

pub use estimate::{Estimate, Method, mean_ratio_of_pairs, ratio_of_pairs};
pub use family::{adjusted_p_values, pointwise_p};
pub use holm::holm;
pub use pairs::log_ratios;
pub use power::minimum_detectable_effect;
pub use quantile::{median, quantile};
pub use serial::lag1_autocorrelation;
pub use signed_rank::signed_rank_p;
