//! A container's root file system: an overlay with a writable layer of its own, a read-only bind mount with
//! copies of what is written to, or a copy of everything.

use super::error::{BrokerError, Step};
use crate::container::wire::{Order, RootKind};
use crate::oci::Privilege;
use crate::root::{copy_tree, locked, options};
use isotare_core::DATA_DIR;
use isotare_files::remove_tree;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use std::fs;
use std::path::{Path, PathBuf};

/// The step that fails on a kernel without overlayfs, or on a disk that overlayfs cannot use.
pub(in super::super) const OVERLAY: &str = "mount the overlay";

/// Folders below a container's own one that its root may consist of.
pub(in super::super) const OWN: [&str; 5] = ["upper", "overlay", "data", "tmp", "copy"];

/// `rootfs` (a mount) is next to the bundle's `config.json` in memory; the container's own files are on disk.
pub(super) struct Layers {
    base: PathBuf,
    own: PathBuf,
    rootfs: PathBuf,
    mounted: bool,
}

/// The process that sent the request kills this process at its deadline.
fn until_killed() -> std::io::Result<()> {
    Ok(())
}

impl Layers {
    /// Makes the root.
    pub(super) fn mount(state: &Path, order: &Order, privilege: Privilege) -> Result<Self, BrokerError> {
        let base = state.join(&order.id);
        let rootfs = match order.root {
            RootKind::Copy => order.layers.join("copy"),
            RootKind::Overlay | RootKind::Bind => base.join("rootfs"),
        };
        let mut layers = Self { base, own: order.layers.clone(), rootfs, mounted: false };
        fs::create_dir_all(&layers.base).step("make a layer")?;
        match (order.root, order.lowers.as_slice()) {
            (RootKind::Overlay, lowers) => layers.overlay(lowers, privilege)?,
            (RootKind::Bind, [tree]) => layers.bind(tree)?,
            (RootKind::Copy, [tree]) => {
                copy_tree(tree, &layers.rootfs, &until_killed).step("copy the tree")?
            }
            _ => return Err(BrokerError::Protocol),
        }
        Ok(layers)
    }

    fn overlay(&mut self, lowers: &[PathBuf], privilege: Privilege) -> Result<(), BrokerError> {
        let (upper, work) = (self.own.join("upper"), self.own.join("overlay"));
        for path in [&self.rootfs, &upper, &work] {
            fs::create_dir_all(path).step("make a layer")?;
        }
        let userxattr = privilege == Privilege::Rootless;
        let options = options(lowers, Some((&upper, &work)), userxattr).step("name the layers")?;
        mount("overlay", &self.rootfs, "overlay", MountFlags::empty(), options.as_c_str()).step(OVERLAY)?;
        self.mounted = true;
        Ok(())
    }

    fn bind(&mut self, tree: &Path) -> Result<(), BrokerError> {
        fs::create_dir_all(&self.rootfs).step("make a layer")?;
        mount_bind(tree, &self.rootfs).step("bind the tree")?;
        self.mounted = true;
        let kept = locked(&self.rootfs).step("look at the tree's mount")?;
        mount_remount(&self.rootfs, MountFlags::BIND | MountFlags::RDONLY | kept, c"")
            .step("make the tree read-only")?;
        for (name, inside) in [("data", DATA_DIR), ("tmp", "/tmp")] {
            let (copy, inside) = (self.own.join(name), inside.trim_start_matches('/'));
            copy_tree(&tree.join(inside), &copy, &until_killed).step("copy what is written to")?;
            mount_bind(&copy, self.rootfs.join(inside)).step("bind what is written to")?;
        }
        Ok(())
    }

    /// The bundle's folder.
    pub(super) fn bundle(&self) -> &Path {
        &self.base
    }

    /// Where the root is.
    pub(super) fn rootfs(&self) -> PathBuf {
        self.rootfs.clone()
    }

    /// Unmounts and deletes. Doing it twice does no harm.
    pub(super) fn remove(&mut self) -> Result<(), BrokerError> {
        if std::mem::take(&mut self.mounted) {
            unmount(&self.rootfs, UnmountFlags::DETACH).step("unmount the root")?;
        }
        for path in OWN.map(|name| self.own.join(name)).iter().chain([&self.base]) {
            remove_tree(path).step("remove a layer")?;
        }
        Ok(())
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        // For a creation that failed half-way. Its error is the one that is reported.
        let _second = self.remove();
    }
}
