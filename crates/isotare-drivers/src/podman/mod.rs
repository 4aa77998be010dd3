//! `podman`: containers of Podman, rootful and rootless, through its command line.
//!
//! Podman has no daemon, and this is interesting for comparisons: each phase is a run of `podman` itself.

mod driver;
mod environment;
mod info;
mod instance;
mod options;
mod place;
mod store;
mod user;

pub use driver::Podman;
