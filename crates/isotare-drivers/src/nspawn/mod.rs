//! `nspawn`: systemd's container program. No systemd runs in the container, and none is needed on the host.

mod driver;

pub use driver::Nspawn;
