//! A container's root file system: an overlay of the shared lower tree and a writable layer of its own.
//!
//! The writable layer is on the session's disk and synced like any file there (no `volatile` option), so that a workload
//! with `fsync` pays what it pays natively.

use super::error::{BrokerError, Step};
use super::isolation::Privilege;
use crate::container::wire::Order;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The step in which a kernel without overlayfs, or a disk that cannot carry one, shows.
pub(in super::super) const OVERLAY: &str = "mount the overlay";

/// `rootfs` (the overlay) beside the bundle's `config.json` in memory; `upper` and `overlay` on disk.
pub(super) struct Layers {
    base: PathBuf,
    upper: PathBuf,
    work: PathBuf,
    mounted: bool,
}

impl Layers {
    /// Mounts the overlay.
    pub(super) fn mount(state: &Path, order: &Order, privilege: Privilege) -> Result<Self, BrokerError> {
        let (upper, work) = (order.layers.join("upper"), order.layers.join("overlay"));
        let mut layers = Self { base: state.join(&order.id), upper, work, mounted: false };
        for path in [&layers.rootfs(), &layers.upper, &layers.work] {
            fs::create_dir_all(path).step("make a layer")?;
        }
        let mut options = Vec::new();
        for (key, path) in
            [("lowerdir=", &order.lower), (",upperdir=", &layers.upper), (",workdir=", &layers.work)]
        {
            options.extend(key.as_bytes());
            options.extend(escape(path));
        }
        if privilege == Privilege::Rootless {
            options.extend(b",userxattr");
        }
        let options =
            CString::new(options).map_err(|_| BrokerError::Spec("a path with a zero byte".into()))?;
        mount("overlay", layers.rootfs(), "overlay", MountFlags::empty(), options.as_c_str())
            .step(OVERLAY)?;
        layers.mounted = true;
        Ok(layers)
    }

    /// The bundle's folder.
    pub(super) fn bundle(&self) -> &Path {
        &self.base
    }

    /// Where the overlay is mounted.
    pub(super) fn rootfs(&self) -> PathBuf {
        self.base.join("rootfs")
    }

    /// Unmounts and deletes. Doing it twice does no harm.
    pub(super) fn remove(&mut self) -> Result<(), BrokerError> {
        if std::mem::take(&mut self.mounted) {
            unmount(self.rootfs(), UnmountFlags::DETACH).step("unmount the overlay")?;
        }
        for path in [&self.upper, &self.work, &self.base] {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).step("remove a layer");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        // For a creation that failed half-way; that error is the one to tell.
        let _second = self.remove();
    }
}

/// Overlayfs reads `:`, `,` and `\` as its own.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlayfs_would_read_is_escaped() {
        assert_eq!(escape(Path::new("/a:b,c\\d e")), b"/a\\:b\\,c\\\\d e");
    }
}
