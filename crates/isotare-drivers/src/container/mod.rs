//! `container`: an embedded container runtime, so that there is always a container to compare with and
//! nothing to install.
//!
//! The runtime is `libcontainer`, the library of youki. To create a container, it forks without an exec and
//! changes the working directory, and it must run in a process with only one thread. So an environment starts
//! one helper, the [`broker`], by running this program again (see [`helper_process`]). The broker has a
//! private mount namespace and answers the requests of [`client`] over a socket pair. When that socket is
//! closed, for any reason, the broker removes every container that it created, and its mounts end with it.

pub(crate) mod broker;
mod client;
mod driver;
mod environment;
mod instance;
mod probe;
pub(crate) mod rerun;
pub(crate) mod veth;
mod wire;

pub use driver::Container;
pub use rerun::{helper_process, set_helper_program};
