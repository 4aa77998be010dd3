//! `nspawn`: systemd's container program, without a systemd inside or around it.

mod driver;

pub use driver::Nspawn;
