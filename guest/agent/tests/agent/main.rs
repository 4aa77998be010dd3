//! Tests of the real agent over a real Unix socket.

mod agreement;
mod host;
mod service;
mod socket;
mod suite;
