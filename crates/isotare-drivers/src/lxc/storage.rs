//! Where a container's root file system comes from.

use super::btrfs::Btrfs;
use crate::root::Tree;
use isotare_core::{Cause, Deadline, DriverError, InstanceContext, PrepareContext};
use isotare_files::remove_tree;
use isotare_host::{find_program, output_of};
use std::fs;
use std::path::{Path, PathBuf};

/// The setting `storage`, prepared.
pub(super) enum Storage {
    /// liblxc mounts an overlay: the trees and a writable layer.
    Overlay(Tree),
    /// A copy of the trees.
    Copy { tree: Tree, cp: PathBuf },
    /// A snapshot of a subvolume with the trees' content.
    Snapshot { volumes: Btrfs, base: PathBuf },
}

/// Name of the subvolume that is snapshot.
const BASE: &str = "base";

impl Storage {
    /// Gets the kind ready.
    pub(super) fn prepare(kind: &str, tree: Tree, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        if kind == "overlay" {
            return Ok(Storage::Overlay(tree));
        }
        tree.to_copy()?;
        let cp = find_program("cp").ok_or_else(|| DriverError::failed("find", "cp", "it is not there"))?;
        if kind == "dir" {
            return Ok(Storage::Copy { tree, cp });
        }
        let volumes = Btrfs::below(cx)?;
        let base = volumes.make(BASE).map_err(|e| DriverError::failed("make subvolume", BASE, e))?;
        copy(&cp, &tree, &base, &cx.deadline)?;
        Ok(Storage::Snapshot { volumes, base })
    }

    /// Creates the root of one container and returns it in the format of `lxc.rootfs.path`.
    pub(super) fn make(&self, cx: &InstanceContext<'_>) -> Result<String, DriverError> {
        let folder = |name: &str| {
            let path = cx.work.join(name);
            fs::create_dir(&path)
                .map(|()| path)
                .map_err(|e| DriverError::failed("make a layer of", cx.instance, e))
        };
        match self {
            Storage::Overlay(tree) => {
                let upper = folder("upper")?;
                let layers = tree.lowers.iter().chain([&upper]).map(|path| path.display().to_string());
                let layers: Vec<String> = layers.collect();
                match layers.iter().find(|path| path.contains(':')) {
                    Some(path) => Err(DriverError::Unsupported(format!("a colon in the path {path}"))),
                    None => Ok(format!("overlay:{}", layers.join(":"))),
                }
            }
            Storage::Copy { tree, cp } => {
                let root = folder("root")?;
                copy(cp, tree, &root, &cx.deadline)?;
                Ok(format!("dir:{}", root.display()))
            }
            Storage::Snapshot { volumes, base } => {
                let root = volumes
                    .snapshot(base, cx.instance)
                    .map_err(|e| DriverError::failed("make snapshot for", cx.instance, e))?;
                Ok(format!("dir:{}", root.display()))
            }
        }
    }

    /// Removes it. It is not an error if it does not exist.
    pub(super) fn remove(&self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let failed = |error: Cause| DriverError::failed("remove root of", cx.instance, error);
        if let Storage::Snapshot { volumes, .. } = self {
            return volumes.remove(cx.instance).map_err(|e| failed(e.into()));
        }
        // liblxc creates `olwork` and `work` next to the writable layer.
        for name in ["upper", "olwork", "work", "root"] {
            remove_tree(&cx.work.join(name)).map_err(|e| failed(e.into()))?;
        }
        Ok(())
    }
}

/// Copies the layers with all that belongs to a file, the lowest first.
fn copy(cp: &Path, tree: &Tree, to: &Path, deadline: &Deadline) -> Result<(), DriverError> {
    for layer in tree.lowers.iter().rev() {
        let (from, to) = (layer.join("."), to.to_string_lossy());
        let subject = || format!("{} to {to}", layer.display());
        let arguments = ["--archive", "--no-target-directory", &from.to_string_lossy(), &to];
        let output = output_of(cp, &arguments, deadline).map_err(|e| e.during("copy", subject()))?;
        if !output.status.success() {
            let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(DriverError::failed("copy", subject(), cause));
        }
    }
    Ok(())
}
