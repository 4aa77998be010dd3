//! `cloud-hypervisor`: a virtual machine of Cloud Hypervisor that boots a distribution's kernel with the
//! agent as its init.

mod api;
mod driver;

pub use driver::CloudHypervisor;
