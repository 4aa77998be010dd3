//! `qemu`: a virtual machine that boots a distribution's kernel with the agent as its init.
//!
//! A user's choices are [`settings`], as types [`spec`], [`storage`], [`network`], [`memory`] and
//! [`confinement`]. What is prepared once is the [`environment`]: the kernel, an initramfs with the agent and
//! the modules it loads, and disks ([`crate::guest`]), or a root to share ([`share`]). A trial makes its
//! [`parts`], starts QEMU ([`command`], [`instance`]), connects to its monitor ([`qmp`]) and waits for the
//! agent's hello over a virtio-serial port.

mod command;
mod confinement;
mod driver;
mod environment;
mod facts;
mod host;
mod instance;
mod memory;
mod network;
mod parts;
mod probe;
mod qmp;
mod settings;
mod share;
mod spec;
mod storage;
mod tap;

pub use driver::Qemu;
