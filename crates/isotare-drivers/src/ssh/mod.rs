//! `ssh`: a machine that is already running, reached with the OpenSSH client, as its user does.

mod diagnosis;
mod driver;
mod environment;
mod instance;
mod target;

pub use driver::Ssh;
