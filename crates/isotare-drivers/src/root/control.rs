//! The agent's socket, shown inside a root so that the agent can connect and nothing of the host can be
//! written.

use isotare_core::CONTROL_DIR;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_bind_recursive, mount_remount};
use std::path::{Path, PathBuf};

/// Name of the socket in the control folder.
pub(crate) const SOCKET: &str = "agent.sock";

/// Where an instance finds the socket.
pub(crate) fn socket_inside() -> PathBuf {
    Path::new(CONTROL_DIR).join(SOCKET)
}

/// Binds only the socket below `root`, on a file that exists there. So the mount does not lead to a folder of
/// the host that a root with CAP_SYS_ADMIN could make writable again. Connecting is allowed on a read-only
/// mount (`sb_permission` in the kernel's fs/namei.c).
pub(crate) fn bind_socket(control: &Path, root: &Path) -> Result<(), Errno> {
    bind_read_only(&control.join(SOCKET), &below(root, &socket_inside()))
}

fn below(root: &Path, inside: &Path) -> PathBuf {
    root.join(inside.strip_prefix("/").unwrap_or(inside))
}

fn bind_read_only(source: &Path, target: &Path) -> Result<(), Errno> {
    // Recursively: a user namespace may not show a part of a mount without the mounts on top of it.
    mount_bind_recursive(source, target)?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_remount(target, MountFlags::BIND | MountFlags::RDONLY | quiet | locked(target)?, c"")
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
