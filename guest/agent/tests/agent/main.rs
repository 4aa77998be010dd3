//! The real agent, driven over a real Unix socket.

mod agreement;
mod host;
mod socket;
mod suite;
