//! Control groups of the host: creates a group with a budget, reads its use of resources, and removes it with
//! all processes in it.
//!
//! Linux has two interfaces ([v1], [v2]); a host may have either, or v1 controllers next to an empty v2
//! hierarchy ("hybrid"). Here, a group is one path below all hierarchies, so callers do not have to know the
//! interface. Only [`CgroupStats`] shows the difference: some values are absent. Budgets pin CPUs, bound
//! memory and, where there is the controller for it, the number of processes; they never set a CPU quota,
//! because throttling causes long tails ([`Cgroup::throttle`] sets one on purpose).
//!
//! It limits only the groups of instances, and moves only the processes that it is asked to move.
//!
//! [v1]: https://docs.kernel.org/admin-guide/cgroup-v1/cgroups.html
//! [v2]: https://docs.kernel.org/admin-guide/cgroup-v2.html
//!
//! ```no_run
//! use isotare_cgroup::Hierarchies;
//! # fn main() -> Result<(), isotare_cgroup::CgroupError> {
//! let hierarchies = Hierarchies::discover()?;
//! let group = hierarchies.create("isotare/session/trial-1", None)?;
//! group.add(std::process::id())?;
//! println!("{:?} ns of CPU", group.stats().cpu_total_ns);
//! # Ok(())
//! # }
//! ```

mod access;
mod budget;
mod discover;
mod error;
mod files;
mod group;
mod hierarchies;
mod pids;
mod quota;
mod remove;
mod stats;

pub use error::CgroupError;
pub use group::Cgroup;
pub use hierarchies::{Hierarchies, Version};
pub use pids::Tasks;
pub use stats::CgroupStats;
