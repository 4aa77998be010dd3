//! `containerd`: containers of a containerd on this machine, and with its shim `kata`, through its client
//! `ctr`.
//!
//! containerd's own interface is gRPC with generated code; `ctr` comes with every containerd and is what its
//! documentation uses, so that a measurement can be repeated by hand.

mod client;
mod driver;
mod shim;

pub use driver::{CONTAINERD, KATA};
