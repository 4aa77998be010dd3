//! What can run inside an instance: each workload's settings, its job for the agent, the files it needs, and
//! a decoder that accepts the result only if the work was done.
//!
//! ```
//! use isotare_core::Settings;
//! let cpu = isotare_workloads::find("cpu").unwrap();
//! let settings = Settings::check("workload cpu", cpu.settings(), [("max-prime", "2000")]).unwrap();
//! assert!(cpu.job(&settings).is_ok());
//! ```

mod builtin;
mod closure;
mod command;
mod registry;
mod sysbench;

pub use closure::closure;
pub use registry::{find, quick_suite, workloads};
