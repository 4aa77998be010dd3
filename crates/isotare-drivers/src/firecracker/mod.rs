//! `firecracker`: a microVM of Firecracker that boots a distribution's kernel with the agent as its init.

mod api;
mod driver;

pub use driver::Firecracker;
