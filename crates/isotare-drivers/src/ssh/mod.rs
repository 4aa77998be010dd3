//! `ssh`: a machine that already runs, reached as its user reaches it: by the OpenSSH client.

mod diagnosis;
mod driver;
mod environment;
mod instance;
mod target;

pub use driver::Ssh;
