//! `chroot`: a process of the host with another root directory. Nothing else isolates it.

mod driver;

pub use driver::Chroot;
