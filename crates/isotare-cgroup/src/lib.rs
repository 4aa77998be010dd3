//! Control groups of the host: create one with a budget, read what it used, remove it with all that runs in it.
//!
//! Linux has two interfaces ([v1], [v2]); a host may have either, or v1 controllers beside an empty v2 hierarchy
//! ("hybrid"). A group here is one path below every hierarchy at once, so callers never ask which interface it is;
//! only [`CgroupStats`] shows the difference, by what is absent from it. Budgets pin CPUs, bound memory and, where there
//! is the controller for it, the number of processes; they never set a CPU quota, which would throttle and so make long
//! tails ([`Cgroup::throttle`] does it on purpose).
//!
//! Refuses: to limit anything but an instance's group, and to move processes that it was not told of.
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
