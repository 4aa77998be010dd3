//! Removing what was recorded, by identity.

use crate::{WaitError, process::kill_identified};
use isotare_cgroup::Hierarchies;
use isotare_core::{Deadline, Resource};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::io;
use std::path::Path;

/// What became of a recorded resource.
#[derive(Debug)]
pub enum Swept {
    /// It was not there any more.
    Absent,
    /// It was there and is gone now.
    Removed,
    /// Only its driver can remove it.
    NeedsDriver,
    /// It is still there.
    Failed(String),
}

/// Removes one resource if it is still there. Call it in the reverse order of recording.
pub fn sweep(resource: &Resource, deadline: &Deadline) -> Swept {
    let outcome = match resource {
        Resource::Process(process) => kill_identified(*process, deadline),
        Resource::Cgroup { path } => Hierarchies::discover()
            .and_then(|hierarchies| hierarchies.remove_tree(path))
            .map_err(|error| WaitError::Io(io::Error::other(error.to_string()))),
        Resource::Mount { path } => remove_mount(path).map_err(WaitError::Io),
        Resource::Path { path } => remove_path(path).map_err(WaitError::Io),
        Resource::Link { name } => remove_link(name).map_err(WaitError::Io),
        Resource::Managed { .. } => return Swept::NeedsDriver,
    };
    match outcome {
        Ok(true) => Swept::Removed,
        Ok(false) => Swept::Absent,
        Err(error) => Swept::Failed(error.to_string()),
    }
}

pub(crate) fn remove_mount(path: &Path) -> io::Result<bool> {
    match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        // EINVAL: not a mount point, umount(2).
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn remove_path(path: &Path) -> io::Result<bool> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_link(name: &str) -> io::Result<bool> {
    let link = Path::new("/sys/class/net").join(name);
    if !link.exists() {
        return Ok(false);
    }
    let ip = crate::find_program("ip")
        .ok_or_else(|| io::Error::other("the program 'ip' is needed (package iproute2)"))?;
    let output = std::process::Command::new(ip).args(["link", "delete", name]).output()?;
    match output.status.success() {
        true => Ok(true),
        // The kernel removes it as well, with the other end's namespace, perhaps in between.
        false if !link.exists() => Ok(false),
        false => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("ip link delete {name}: {}", why.trim())))
        }
    }
}
