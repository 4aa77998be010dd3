//! A container's network namespace: a loopback device that is up and, if asked for, one end of a veth pair.
//!
//! The runtime does not bring the loopback link up, and its process has too few permissions to do so later.
//! So before each creation, the broker moves itself into a new namespace, prepares it, lets the container
//! inherit it, and moves back.

#![expect(unsafe_code, reason = "a thread leaves a namespace, and requests for devices are structures of C")]

use super::error::{BrokerError, Step};
use crate::container::wire::Link;
use crate::subnet::PREFIX;
use isotare_core::{Cause, Interrupt};
use isotare_host::{deadline_in, output_of};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;

/// Name of the container's end of a veth pair.
const INSIDE: &str = "eth0";

/// The broker's own network namespace.
pub(crate) struct Home(File);

impl Home {
    /// The one it is in now.
    pub(crate) fn new() -> Result<Self, BrokerError> {
        File::open("/proc/self/ns/net").map(Self).step("open the network namespace")
    }

    /// Moves into a new, prepared one. `scratch` is a folder for a file.
    pub(super) fn leave(&self, link: Option<&Link>, scratch: &Path) -> Result<(), BrokerError> {
        // SAFETY: the flag unshares neither memory nor file descriptors.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.step("make a network namespace")?;
        raise_loopback()?;
        link.map_or(Ok(()), |link| connect(link, scratch))
    }

    /// Moves back.
    pub(crate) fn back(&self) -> Result<(), BrokerError> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
            .step("leave the network namespace")
    }
}

/// Brings the loopback device of the present namespace up.
pub(crate) fn raise_loopback() -> Result<(), BrokerError> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .step("open a socket")?;
    // SAFETY: an all-zero `ifreq` is a valid value of this plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the flags 1 and 0x40")]
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the request names a device and its flags, as SIOCSIFFLAGS reads them.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).step("bring the loopback device up"),
    }
}

/// Makes a pair whose other end is on the host, where the session configures it.
pub(crate) fn connect(link: &Link, scratch: &Path) -> Result<(), BrokerError> {
    let Link { name, ends: [outside, inside], ip, host } = link;
    let batch = scratch.join("link.batch");
    let commands = format!(
        "link add {INSIDE} type veth peer name {name} netns {host}\n\
         addr add {inside}/{PREFIX} dev {INSIDE}\nlink set {INSIDE} up\nroute add default via {outside}\n"
    );
    fs::write(&batch, commands).step("write the network commands")?;
    let failed = |cause: Cause| BrokerError::Network(name.clone(), cause);
    let deadline = deadline_in(Duration::from_secs(10), &Interrupt::default());
    let output = output_of(ip, &["-batch", &batch.to_string_lossy()], &deadline)
        .map_err(|error| failed(error.into()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().into())),
    }
}
