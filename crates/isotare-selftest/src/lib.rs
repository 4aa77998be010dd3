//! Tests the whole pipeline, from plan to interval, with known overheads.
//!
//! An [`Injection`] compares native with native and an exactly known slow-down. It is a pair of conditions of
//! an ordinary plan, which the ordinary runner runs and the ordinary report analyzes. The slow-down is an
//! ordinary driver or workload: work that is not counted, a CPU quota, or a slower link ([`KINDS`]). The
//! second part measures the overhead of sampling: [`observer_design`] compares native with and without
//! samplers.
//!
//! ```
//! use isotare_selftest::Injection;
//! let injection = Injection::of(&"busy-loop:percent=2".parse().unwrap()).unwrap();
//! assert_eq!(injection.true_ratio, 1.02);
//! ```

mod evidence;
mod findings;
mod injection;
mod kinds;
mod link;
mod observer;
mod quota;
mod recounted;

pub use evidence::{Clocks, LIMIT_PPM, Records};
pub use findings::{Findings, NotMeasured, Recovery, SCHEMA_VERSION, SURPRISE, Status, Summary};
pub use injection::Injection;
pub use kinds::{KINDS, Kind, chosen};
pub use observer::{OBSERVER, ObserverCost, TARGET, observer_costs, observer_design, observer_works};
