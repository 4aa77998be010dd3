//! A private mount namespace, in which programs see some of the host's mounts differently.

#![expect(unsafe_code, reason = "a thread leaves the mount namespace of the others")]

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A version 2 hierarchy in addition to version 1 ones, at its place in systemd's "hybrid" layout.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// Keeps the namespace alive. With its last process and this, every mount that was made in it goes by itself,
/// also after a `kill -9` of this process.
#[derive(Debug)]
pub struct MountNamespace(OwnedFd);

impl MountNamespace {
    /// Creates one that follows the host's mounts, and calls `furnishes` inside it. The calling thread stays
    /// in its own namespace.
    pub fn new(furnish: impl FnOnce() -> io::Result<()> + Send) -> io::Result<Self> {
        let make = || -> io::Result<Self> {
            // SAFETY: this thread is new, and all that it shares with the others is what `CLONE_NEWNS` leaves
            // shared; unshare(2) gives it file-system attributes of its own as well.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS)? };
            let follow = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
            mount_change("/", follow)?;
            furnish()?;
            Ok(Self(File::open("/proc/thread-self/ns/mnt")?.into()))
        };
        std::thread::scope(|scope| scope.spawn(make).join())
            .unwrap_or_else(|_| Err(io::Error::other("the thread that makes it panicked")))
    }

    /// For `Spawn::in_mount_namespace`.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether version 2 of cgroups is mounted in addition to version 1 (systemd's "hybrid"), which crun refuses
/// to work with.
pub fn has_hybrid_cgroups() -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().any(|line| line.split(' ').nth(4) == Some(UNIFIED))
}

/// Hides version 2 in this mount namespace. To be called from `MountNamespace::new`.
pub fn hide_unified_cgroup() -> io::Result<()> {
    match unmount(UNIFIED, UnmountFlags::DETACH) {
        // EINVAL: not a mount point, umount(2).
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Puts an empty file system in memory on a folder, if there is such a folder. To be called from
/// `MountNamespace::new`.
pub fn cover(folder: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    match mount("tmpfs", folder, "tmpfs", flags, Some(c"mode=1777")) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Spawn, deadline_in};
    use isotare_core::Interrupt;
    use std::time::Duration;

    #[test]
    fn a_mount_in_the_namespace_is_not_visible_outside() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::write(path.join("file"), "").expect("written");
        let namespace = MountNamespace::new(|| cover(path)).expect("made");
        let seen = |spawn: Spawn| {
            let mut child = spawn.arg("-e").arg(path.join("file")).start().expect("starts");
            let deadline = deadline_in(Duration::from_secs(5), &Interrupt::default());
            child.wait(&deadline).expect("ends").success()
        };
        assert!(seen(Spawn::new("/usr/bin/test")));
        assert!(!seen(Spawn::new("/usr/bin/test").in_mount_namespace(&namespace).expect("a handle")));
    }
}
