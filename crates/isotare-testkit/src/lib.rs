//! What tests of several crates share. Dev-dependency only.

pub mod dockerd;
