//! From an experiment file or a [`Design`] to a validated, ordered [`Plan`](isotare_core::Plan). Pure: text
//! in, plan out.
//!
//! [`parse`] reads an experiment file and reports all its errors, with line, column and remedy.
//! [`plan`] turns a design, from a file or from options, into conditions and an order. The order is fixed
//! before anything runs. Other crates read the files, draw the seeds and choose the budgets.
//!
//! ```
//! use isotare_core::{Budget, CpuSet, WorkloadSpec};
//! use isotare_plan::{Blocks, Design, plan};
//!
//! let budget = Budget { cpus: CpuSet::new([0]).unwrap(), memory: 1 << 30, processes: Some(Budget::PROCESSES) };
//! let design = Design {
//!     environments: vec!["qemu:accel=tcg".parse().unwrap()],
//!     workloads: vec![WorkloadSpec::plain("cpu")],
//!     blocks: Blocks::exactly(6),
//!     ..Design::new(budget, 1)
//! };
//! let plan = plan(&design).unwrap();
//! let environments: Vec<_> = plan.conditions.iter().map(|c| c.environment.to_string()).collect();
//! assert_eq!(environments, ["native", "qemu:accel=tcg", "native#null"]);
//! assert_eq!(plan.order.len(), 3 * (6 + 1), "and a spare block, to repeat one that is disturbed");
//! ```

mod design;
mod file;
mod schedule;
mod schema;
mod suggest;

pub use design::{
    Blocks, Design, DesignError, GATE, LIMIT_BLOCKS, LIMIT_TRIALS, NULL_REPLICA, fewest_blocks, plan,
};
pub use file::{Experiment, FileError, Known, OPEN_BLOCKS, Problem, SyntaxError, command, parse};
pub use schedule::{hash, schedule};
pub use schema::json_schema;
