//! Does the whole pipeline, from plan to interval, find what is known to be there?
//!
//! An [`Injection`] is native against native with a slow-down of exactly known size: a pair of conditions of an ordinary
//! plan, run by the ordinary runner and judged by the ordinary report. What slows down implements the ports, as
//! any driver or workload does: work that is not counted, a CPU quota, a slower link ([`KINDS`]). The other half is what
//! observing costs: [`observer_design`] compares native with and without samplers.
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
