//! `lxc`: containers of liblxc's own programs, each run by one `lxc-start` in the foreground with the agent
//! as its init.

mod btrfs;
mod config;
mod driver;
mod environment;
mod instance;
mod shown;
mod storage;

pub(crate) use config::groups_of;
pub use driver::Lxc;
