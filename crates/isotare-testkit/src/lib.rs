//! What tests share: a scripted driver, a private Docker daemon, the conformance suite. A development dependency only.

mod bed;
pub mod conformance;
pub mod dockerd;
pub mod fake;
pub mod tally;
