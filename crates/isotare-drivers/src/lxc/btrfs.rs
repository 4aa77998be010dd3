//! Subvolumes of btrfs, and a separate file system for them if the work folder is not on btrfs.
//!
//! The requests are those of btrfs-ioctl(2). As in liblxc, they are sent directly, without another program.

#![expect(unsafe_code, reason = "requests of btrfs are structures of C")]

use crate::loop_mount::LoopMount;
use isotare_core::{Cause, DriverError, PrepareContext};
use rustix::fs::{Mode, OFlags, open, statfs};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `BTRFS_SUPER_MAGIC` of statfs(2).
const MAGIC: i64 = 0x9123_683e;

/// Longest name in a request (`BTRFS_PATH_NAME_MAX`, `BTRFS_SUBVOL_NAME_MAX`), and a zero byte.
const NAME: usize = 4088;
const NAME_V2: usize = 4040;

/// `struct btrfs_ioctl_vol_args` of linux/btrfs.h.
#[repr(C)]
struct Request {
    fd: i64,
    name: [u8; NAME],
}

/// `struct btrfs_ioctl_vol_args_v2` of linux/btrfs.h.
#[repr(C)]
struct RequestV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; NAME_V2],
}

/// `_IOW(0x94, 14, struct btrfs_ioctl_vol_args)`.
const SUBVOL_CREATE: u64 = 0x5000_940e;
/// `_IOW(0x94, 15, struct btrfs_ioctl_vol_args)`.
const SNAP_DESTROY: u64 = 0x5000_940f;
/// `_IOW(0x94, 23, struct btrfs_ioctl_vol_args_v2)`.
const SNAP_CREATE_V2: u64 = 0x5000_9417;

/// A folder on btrfs.
pub(super) struct Btrfs {
    folder: PathBuf,
    /// What was mounted for it.
    _mounted: Option<LoopMount>,
}

impl Btrfs {
    /// The work folder itself if it is on btrfs, else a file system in a file there.
    pub(super) fn below(cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.work.display().to_string(), error);
        let kind = statfs(cx.work).map_err(|e| failed("look at file system of", e.into()))?.f_type;
        if kind == MAGIC {
            return Ok(Self { folder: cx.work.to_owned(), _mounted: None });
        }
        let folder = cx.work.join("btrfs");
        std::fs::create_dir(&folder).map_err(|e| failed("make a folder in", e.into()))?;
        let mounted = LoopMount::btrfs(&folder, cx)?;
        Ok(Self { folder, _mounted: Some(mounted) })
    }

    /// Makes an empty subvolume.
    pub(super) fn make(&self, name: &str) -> io::Result<PathBuf> {
        let mut request = Request { fd: 0, name: [0; NAME] };
        fill(&mut request.name, name)?;
        self.ask(SUBVOL_CREATE, &raw const request)?;
        Ok(self.folder.join(name))
    }

    /// Makes a writable snapshot of a subvolume.
    pub(super) fn snapshot(&self, of: &Path, name: &str) -> io::Result<PathBuf> {
        let source = directory(of)?;
        let mut request = RequestV2 {
            fd: i64::from(source.as_raw_fd()),
            transid: 0,
            flags: 0,
            unused: [0; 4],
            name: [0; NAME_V2],
        };
        fill(&mut request.name, name)?;
        self.ask(SNAP_CREATE_V2, &raw const request)?;
        Ok(self.folder.join(name))
    }

    /// Removes a subvolume. It is not an error if it does not exist.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let mut request = Request { fd: 0, name: [0; NAME] };
        fill(&mut request.name, name)?;
        match self.ask(SNAP_DESTROY, &raw const request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn ask<T>(&self, request: u64, argument: *const T) -> io::Result<()> {
        let folder = directory(&self.folder)?;
        // SAFETY: each caller passes the structure that its request reads, filled and alive.
        match unsafe { libc::ioctl(folder.as_raw_fd(), request, argument) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn fill(name: &mut [u8], with: &str) -> io::Result<()> {
    let bytes = std::ffi::OsStr::new(with).as_bytes();
    // The last byte stays zero.
    match bytes.len() < name.len() && !bytes.contains(&b'/') {
        true => name[..bytes.len()].copy_from_slice(bytes),
        false => return Err(io::ErrorKind::InvalidInput.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_size_that_the_kernel_expects() {
        assert_eq!((size_of::<Request>(), size_of::<RequestV2>()), (4096, 4096));
        let mut name = [1; 4];
        assert!(fill(&mut name, "abcd").is_err() && fill(&mut name, "a/b").is_err());
        assert!(fill(&mut name, "abc").is_ok());
    }
}
