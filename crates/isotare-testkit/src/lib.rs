//! Common code of tests: a scripted driver, private daemons and the conformance suite. It is only a
//! development dependency.

pub mod bed;
pub mod conformance;
pub mod containerd;
pub mod coverage;
pub mod dockerd;
pub mod engines;
pub mod fake;
pub mod faulty;
pub mod incusd;
pub mod lab;
pub mod libvirtd;
pub mod sshd;
pub mod tally;
