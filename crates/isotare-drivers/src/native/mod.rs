//! `native`: the host itself, in a cgroup of its own with the same budget as the others.

mod driver;

pub use driver::Native;
