//! `xen`: a guest domain of the Xen hypervisor, started with `xl` from the control domain, with the agent as
//! its init.
//!
//! The agent talks over the guest's console, which `xenconsoled` offers as a terminal ([`mod@line`]).

mod config;
mod driver;
mod environment;
mod instance;
mod line;
mod xl;

pub use driver::Xen;
