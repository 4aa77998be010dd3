//! The host's own userland as the lowest layer of roots.
//!
//! Overlayfs refuses a layer that holds another one (`ELOOP`; Documentation/filesystems/overlayfs.rst,
//! "Sharing and copying layers"), so `/` cannot be below a writable layer on the same disk. A read-only
//! overlay of `/` under a layer in memory is another file system, which can: that makes two stacked overlays,
//! as many as the kernel allows. The layer in memory uses whiteouts to hide everything that is not userland,
//! and everything that an ordinary user of the host may not read. Other file systems that are mounted below
//! `/` are not visible.

use super::options;
use isotare_core::{Cause, DriverError, HOST_FOLDERS, PrepareContext, Resource, Unavailable};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

/// Such a view, mounted. Dropping it unmounts.
#[derive(Debug)]
pub(super) struct HostView {
    view: PathBuf,
    mask: PathBuf,
}

impl HostView {
    /// Mounts it below the environment's folder.
    pub(super) fn mount(cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        if !rustix::process::geteuid().is_root() {
            return Err(Unavailable::new(
                "image=host needs root",
                "run isotare as root, or use image=dir:PATH",
            )
            .into());
        }
        one_file_system()?;
        let view = Self { view: cx.work.join("host"), mask: cx.work.join("mask") };
        let failed = |error: Cause| DriverError::failed("show", "the host's userland", error);
        for path in [&view.mask, &view.view] {
            fs::create_dir(path).map_err(|e| failed(e.into()))?;
            cx.ledger.record(&Resource::Mount { path: path.clone() }).map_err(|e| failed(e.into()))?;
        }
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", &view.mask, "tmpfs", flags, Some(c"mode=755")).map_err(|e| failed(e.into()))?;
        let layer = view.mask.join("layer");
        mask(&layer).map_err(|e| failed(e.into()))?;
        let options = options(&[layer, "/".into()], None, false).map_err(|e| failed(e.into()))?;
        mount("overlay", &view.view, "overlay", MountFlags::RDONLY, options.as_c_str()).map_err(|error| {
            match error {
                rustix::io::Errno::INVAL => Unavailable::new(
                    "the kernel cannot make an overlay of the host's root, which may itself be an overlay",
                    "run isotare on the host itself, or use image=dir:PATH",
                )
                .into(),
                other => failed(other.into()),
            }
        })?;
        Ok(view)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.view
    }
}

impl Drop for HostView {
    fn drop(&mut self) {
        for path in [&self.view, &self.mask] {
            // What cannot be unmounted is in the record of resources.
            let _recorded = unmount(path, UnmountFlags::DETACH);
        }
    }
}

/// Refuses a host whose programs are on another file system than its root folder.
fn one_file_system() -> Result<(), DriverError> {
    let device = |path: &str| fs::metadata(path).map(|found| found.dev());
    let elsewhere = ["/usr", "/etc"].into_iter().find(|path| match (device("/"), device(path)) {
        (Ok(root), Ok(found)) => root != found,
        _ => true,
    });
    match elsewhere {
        None => Ok(()),
        Some(path) => Err(Unavailable::new(
            format!("the host's {path} is a separate file system, which image=host does not show"),
            "use another image, such as debian:PACKAGE",
        )
        .into()),
    }
}

/// Whiteouts for everything in the root folder that is not userland, and for closed paths.
fn mask(layer: &Path) -> io::Result<()> {
    fs::create_dir(layer)?;
    for entry in fs::read_dir("/")? {
        let name = entry?.file_name();
        if !HOST_FOLDERS.iter().any(|folder| name == *folder) {
            hide(layer, &Path::new("/").join(name))?;
        }
    }
    closed(Path::new("/"))?.iter().try_for_each(|path| hide(layer, path))
}

/// A whiteout for a path of the host: a character device 0/0 (Documentation/filesystems/overlayfs.rst,
/// "whiteouts and opaque directories"). The folders above it are like the host's, since an overlay shows
/// those of its topmost layer.
fn hide(layer: &Path, path: &Path) -> io::Result<()> {
    let inside = |path: &Path| layer.join(path.strip_prefix("/").unwrap_or(path));
    let mut above: Vec<&Path> = path.ancestors().skip(1).filter(|folder| folder.parent().is_some()).collect();
    above.reverse();
    for folder in above {
        match fs::create_dir(inside(folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                let like = fs::metadata(folder)?;
                chown(inside(folder), Some(like.uid()), Some(like.gid()))?;
                fs::set_permissions(inside(folder), like.permissions())?;
            }
        }
    }
    let node = mknodat(CWD, inside(path), FileType::CharacterDevice, Mode::empty(), makedev(0, 0));
    node.map_err(io::Error::from)
}

/// The parts of the host's configuration and state that an ordinary user of the host may not read, such as
/// password hashes, private keys, databases and logs. Instances do not see them, because the root of an
/// instance could read them. Also `/var/tmp`, where sessions work. If a folder is closed, everything in it is
/// hidden. `root` is the host's root folder. File systems that are mounted below it are not examined.
pub(crate) fn closed(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["etc", "opt", "usr/local", "var"] {
        let folder = root.join(folder);
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() => look(&folder, meta.dev(), &root.join("var/tmp"), &mut found)?,
            _ => {}
        }
    }
    Ok(found)
}

fn look(folder: &Path, device: u64, scratch: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // It can disappear during the check, and then it does not have to be hidden.
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let open = if meta.is_dir() { 0o005 } else { 0o004 };
        if meta.is_symlink() || meta.dev() != device {
            continue;
        } else if meta.mode() & open != open || path == scratch {
            found.push(path);
        } else if meta.is_dir() {
            look(&path, device, scratch, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_that_other_users_may_not_read_are_hidden() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str, mode: u32| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, "x").expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        };
        write("etc/passwd", 0o644);
        write("etc/shadow", 0o640);
        write("etc/ssh/ssh_host_key", 0o600);
        write("var/lib/database/table", 0o644);
        write("usr/bin/su", 0o4754);
        write("var/tmp/of-somebody", 0o600);
        let folder = root.path().join("var/lib/database");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("changed");
        std::os::unix::fs::symlink("shadow", root.path().join("etc/link")).expect("linked");
        let mut closed = closed(root.path()).expect("read");
        closed.sort();
        let expected = ["etc/shadow", "etc/ssh/ssh_host_key", "var/lib/database", "var/tmp"];
        assert_eq!(closed, expected.map(|path| root.path().join(path)));
    }
}
