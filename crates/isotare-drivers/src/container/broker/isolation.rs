//! The broker's own surroundings: a private mount namespace, and for a user without privileges a user namespace.

use super::error::{BrokerError, Step};
use rustix::fs::{FsWord, statfs};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::path::Path;

const CGROUP2_MAGIC: FsWord = 0x6367_7270;
const CGROUPS: &str = "/sys/fs/cgroup";

/// The step that fails where namespaces are forbidden.
pub(in super::super) const ENTER: &str = "enter own namespaces";

/// Whether the broker works without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privilege {
    /// Root: cgroups and device nodes.
    Root,
    /// An ordinary user, root of an own user namespace: neither.
    Rootless,
}

/// Puts the session's state into memory: removing a file there never waits for a disk, and it ends with the broker.
pub(super) fn mount_state(state: &Path) -> Result<(), BrokerError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("isotare", state, "tmpfs", flags, Some(c"mode=700")).step("mount the state directory")
}

/// Leaves the caller's mount namespace, so that every mount of the session ends with the broker.
pub(super) fn enter() -> Result<Privilege, BrokerError> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let rootless = user != 0;
    let mut flags = UnshareFlags::NEWNS;
    if rootless {
        // A network namespace that belongs to the new user namespace, so that the broker may come back to it.
        flags |= UnshareFlags::NEWUSER | UnshareFlags::NEWCGROUP | UnshareFlags::NEWNET;
    }
    // SAFETY: none of the flags unshares memory or file descriptors.
    unsafe { unshare_unsafe(flags) }.step(ENTER)?;
    if rootless {
        std::fs::write("/proc/self/setgroups", "deny").step("deny setgroups")?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).step("map the user")?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1")).step("map the group")?;
    }
    // Downstream, not private: what the host unmounts must not stay busy because of the copy here.
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .step("keep mounts private")?;
    if rootless {
        hide_v1_cgroups()?;
        return Ok(Privilege::Rootless);
    }
    Ok(Privilege::Root)
}

/// `libcontainer` forgives an unwritable hierarchy only in cgroup v2, so a user without privileges is shown that one.
fn hide_v1_cgroups() -> Result<(), BrokerError> {
    let found = statfs(Path::new(CGROUPS)).step("look at the cgroup mount")?;
    if found.f_type == CGROUP2_MAGIC {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("cgroup2", CGROUPS, "cgroup2", flags, None).step("show cgroup v2")
}
