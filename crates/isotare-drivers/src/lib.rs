//! Adapters to runtimes, one folder each, listed in the [registry](DRIVERS).
//!
//! To add one, you need: a folder here that implements [`isotare_core::Driver`], a line in `registry.rs`, a
//! page in `docs/drivers/`. The conformance suite runs over the registry.

mod bridge_net;
mod bubblewrap;
mod chroot;
mod cloud_hypervisor;
mod container;
mod containerd;
mod docker;
mod firecracker;
mod guest;
mod http;
mod incus;
mod installed;
mod ladder;
mod libvirt;
mod loop_mount;
mod lxc;
mod native;
mod nspawn;
mod oci;
mod podman;
mod qemu;
mod registry;
mod root;
mod sparse;
mod spawned;
mod ssh;
mod subnet;
mod trial_life;
mod vmm;
mod xen;

pub use container::{helper_process, set_helper_program};
pub use docker::{DaemonSetup, PrivateDaemon};
pub use native::Native;
pub use registry::{DRIVERS, USUAL, UnknownDriver, find};
