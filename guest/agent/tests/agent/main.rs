//! Tests of the real agent over a real Unix socket.

mod agreement;
mod host;
mod socket;
mod suite;
