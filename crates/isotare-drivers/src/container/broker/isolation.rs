//! The namespaces of the broker: a private mount namespace, and for a user without privileges also a user
//! namespace.

#![expect(unsafe_code, reason = "a process leaves namespaces")]

use super::error::{BrokerError, Step};
use crate::container::wire::Terms;
use crate::oci::Privilege;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::path::Path;

const CGROUPS: &str = "/sys/fs/cgroup";

/// The step that fails if namespaces are forbidden.
pub(in super::super) const ENTER: &str = "enter own namespaces";

/// Puts the session's state into memory: removing a file there never waits for a disk, and it ends with the
/// broker.
pub(super) fn mount_state(state: &Path) -> Result<(), BrokerError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("isotare", state, "tmpfs", flags, Some(c"mode=700")).step("mount the state directory")
}

/// Leaves the caller's mount namespace, so that every mount of the session ends with the broker; for a user
/// without privileges, and if it is requested, also the user namespace.
pub(super) fn enter(terms: &Terms) -> Result<Privilege, BrokerError> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let rootless = user != 0 || terms.own_user;
    let mut flags = UnshareFlags::NEWNS;
    if rootless {
        flags |= UnshareFlags::NEWUSER | UnshareFlags::NEWCGROUP;
    }
    if rootless && !terms.host_network {
        // A network namespace that belongs to the new user namespace, so that the broker may come back to it.
        flags |= UnshareFlags::NEWNET;
    }
    // SAFETY: none of the flags unshares memory or file descriptors.
    unsafe { unshare_unsafe(flags) }.step(ENTER)?;
    if rootless {
        std::fs::write("/proc/self/setgroups", "deny").step("deny setgroups")?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).step("map the user")?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1")).step("map the group")?;
    }
    // Downstream, not private: otherwise the copy here would keep file systems busy that the host unmounts.
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .step("keep mounts private")?;
    if rootless {
        hide_cgroups()?;
        return Ok(Privilege::Rootless);
    }
    Ok(Privilege::Root)
}

/// `libcontainer` accepts a hierarchy that is not writable only in cgroup v2, so it sees a read-only cgroup
/// v2 mount. The session puts the processes into the groups, even if this user may write there.
fn hide_cgroups() -> Result<(), BrokerError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    match mount("cgroup2", CGROUPS, "cgroup2", flags, None) {
        // If there is only version 2, it is already mounted: the kernel does not mount the same thing twice
        // in one place (mount(2)).
        Err(rustix::io::Errno::BUSY) => Ok(()),
        mounted => mounted.step("show cgroup v2"),
    }
}
