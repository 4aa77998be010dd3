//! Containers of an OCI runtime: `runc`, `crun`, `youki` and `runsc` by their command line.
//!
//! A [`Bundle`] is the specification of one container, an overlay mounted as its root and
//! its cgroup; a [`Runtime`] creates a container from it. Other drivers have their own `Runtime`, or use only
//! the specification.

mod command_line;
mod driver;
mod environment;
mod filter;
pub(crate) mod gvisor;
mod instance;
pub(crate) mod profile;
mod runtime;
mod spec;
pub(crate) mod syscalls;

pub(crate) use command_line::finish;
pub use driver::{CRUN, RUNC, RUNSC, YOUKI};
pub(crate) use environment::BundleEnvironment;
pub(crate) use runtime::{Bundle, Runtime, Started};
pub(crate) use spec::{Container, Group, Privilege, agent_command, build};
