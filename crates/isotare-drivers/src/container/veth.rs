//! The network setting `veth`: a pair of interfaces with a small private net. The host's end is named after
//! the instance.

pub(crate) use super::wire::Link;
pub(crate) use crate::subnet::PREFIX;
use crate::subnet::{addresses, link_name};
use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::{find_program, output_of};
use std::path::PathBuf;

/// The program `ip`, if this user may use it for that.
pub(crate) fn usable() -> Result<PathBuf, Unavailable> {
    if !rustix::process::geteuid().is_root() {
        return Err(Unavailable::new(
            "network=veth needs root, because it creates an interface on the host",
            "run isotare as root, or use network=none",
        ));
    }
    find_program("ip").ok_or_else(|| {
        Unavailable::new("network=veth needs the program 'ip'", "install iproute2, or use network=none")
    })
}

/// The link of an instance, in a net that the host has no route to yet.
pub(crate) fn plan(instance: &str, ip: PathBuf) -> Link {
    Link { name: link_name("iso", instance), ends: addresses(instance), ip, host: std::process::id() }
}

/// Brings the host's end up.
pub(crate) fn configure(link: &Link, deadline: &Deadline) -> Result<(), DriverError> {
    let address = format!("{}/{PREFIX}", link.ends[0]);
    ip(link, &["addr", "add", &address, "dev", &link.name], deadline)?;
    ip(link, &["link", "set", &link.name, "up"], deadline)
}

/// Removes the pair, if it is there.
pub(crate) fn remove(link: &Link, deadline: &Deadline) -> Result<(), DriverError> {
    match present(link) {
        // It is removed automatically with the container's network namespace, possibly at the same time.
        true => ip(link, &["link", "delete", &link.name], deadline)
            .or_else(|error| if present(link) { Err(error) } else { Ok(()) }),
        false => Ok(()),
    }
}

fn present(link: &Link) -> bool {
    std::path::Path::new("/sys/class/net").join(&link.name).exists()
}

fn ip(link: &Link, arguments: &[&str], deadline: &Deadline) -> Result<(), DriverError> {
    let output =
        output_of(&link.ip, arguments, deadline).map_err(|e| e.during("configure link", &link.name))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(DriverError::failed("configure link", &link.name, cause))
        }
    }
}
