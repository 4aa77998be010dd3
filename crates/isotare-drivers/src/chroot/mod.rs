//! `chroot`: a process of the host with another root directory, and nothing else between them.

mod driver;

pub use driver::Chroot;
