//! `libvirt`: the machine of a domain that is defined in libvirt, with the agent as its init.
//!
//! For each trial a transient domain is made from the definition ([`xml`]): its machine, processor and memory
//! backing are kept; its operating system is replaced by our kernel and initramfs. The domain itself is never
//! changed.

mod driver;
mod environment;
mod instance;
mod virsh;
mod xml;

pub use driver::Libvirt;
