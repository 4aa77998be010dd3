//! Estimates and verdicts from paired blocks: slices of numbers in, intervals out.
//!
//! A block holds one trial of each condition, in random order and close in time. Each comparison pairs a
//! condition with the baseline within blocks, so that everything that slows a whole block cancels. All
//! functions depend only on their arguments: there are no files and no clock, and random flips come from a
//! seed that is an argument. The caller chooses which trials count.
//!
//! ```
//! use isotare_stats::{Direction, Margin, Verdict, adjusted_p_values, judge, log_ratios, ratio_of_pairs};
//!
//! // Seconds under the condition and natively, one pair per block.
//! let pairs: Vec<(f64, f64)> =
//!     [1.10, 1.12, 1.09, 1.11, 1.13, 1.10, 1.12, 1.08].iter().map(|r| (2.0 * r, 2.0)).collect();
//!
//! let estimate = ratio_of_pairs(&pairs, 0.95).expect("8 usable pairs");
//! assert!(estimate.low > 1.08 && estimate.low < 1.10 && estimate.high < 1.13);
//!
//! let family = [log_ratios(&pairs)]; // one column per condition of the report
//! let p = adjusted_p_values(&family, 42)[0];
//! let margin = Margin::new(0.02).expect("above zero");
//! assert_eq!(judge(&pairs, Direction::Lower, margin, p, 0.95), Verdict::Slower);
//! ```

mod between;
mod binomial;
mod carry_over;
mod doubt;
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
mod stopping;
mod student;
mod verdict;

pub use between::Change;
pub use binomial::at_most_p;
pub use carry_over::{Placed, carry_over_p};
pub use doubt::{Modes, is_too_steady, trend_p, two_modes, warm_up};
pub use estimate::{Estimate, Method, mean_ratio_of_pairs, ratio_of_pairs};
pub use family::{adjusted_p_values, pointwise_p};
pub use holm::holm;
pub use pairs::log_ratios;
pub use power::{blocks_to_find, foretold_effect, minimum_detectable_effect};
pub use quantile::{median, quantile};
pub use serial::lag1_autocorrelation;
pub use signed_rank::signed_rank_p;
pub use stopping::Precision;
pub use verdict::{Direction, Margin, Verdict, judge};
