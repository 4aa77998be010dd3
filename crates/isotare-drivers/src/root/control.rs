//! The control folder, shown inside a root so that the agent can connect and nothing can be written.

use isotare_core::CONTROL_DIR;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_bind_recursive, mount_remount};
use std::path::Path;

/// Binds the control folder below `root`, read-only: it is in the host's memory (`/run`), which an instance could fill.
/// Connecting to a socket is allowed on a read-only mount; only regular files, folders and links are protected
/// (`sb_permission` in the kernel's fs/namei.c).
pub(crate) fn bind_control(control: &Path, root: &Path) -> Result<(), Errno> {
    let inside = root.join(CONTROL_DIR.trim_start_matches('/'));
    // Recursively: a user namespace may not show a part of a mount without what lies on it.
    mount_bind_recursive(control, &inside)?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let flags = MountFlags::BIND | MountFlags::RDONLY | quiet | locked(&inside)?;
    mount_remount(&inside, flags, c"")
}

/// The flags of a mount that a user namespace may not take away (mount_namespaces(7), "Restrictions").
pub(crate) fn locked(path: &Path) -> Result<MountFlags, Errno> {
    let present = statvfs(path)?.f_flag;
    let flags = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
    ];
    Ok(flags.into_iter().filter(|(seen, _)| present.contains(*seen)).map(|(_, flag)| flag).collect())
}
