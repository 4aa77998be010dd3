//! `qemu`: a virtual machine that boots a distribution's kernel with the agent as its init.
//!
//! What is prepared once: the kernel's ELF image ([`kernel`], [`vmlinuz`]), an initramfs with the agent and the modules
//! it loads ([`initramfs`], [`modules`]), and an empty data disk ([`disk`]). A trial starts QEMU ([`command`],
//! [`instance`]), connects to its monitor ([`qmp`]) and waits for the agent's hello over a virtio-serial port.

mod command;
mod console;
mod disk;
mod driver;
mod environment;
mod initramfs;
mod instance;
mod kernel;
mod modules;
mod probe;
mod qmp;
mod spec;
mod tsc;
mod vmlinuz;

pub use driver::Qemu;
