//! The host's own userland as the lowest layer of roots.
//!
//! Overlayfs refuses a layer that holds another one (`ELOOP`; Documentation/filesystems/overlayfs.rst, "Sharing and copying
//! layers"), so `/` cannot be below a writable layer on the same disk. A read-only overlay of `/` under a layer in memory
//! is another file system, which can: that makes two stacked overlays, as many as the kernel allows. The layer in memory
//! hides, by whiteouts, all that is no userland. Other file systems mounted below `/` are not seen.

use super::options;
use isotare_core::{DriverError, HOST_FOLDERS, PrepareContext, Resource, Unavailable};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
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
        let failed =
            |error: &dyn std::fmt::Display| DriverError::failed("show", "the host's userland", error);
        for path in [&view.mask, &view.view] {
            fs::create_dir(path).map_err(|e| failed(&e))?;
            cx.ledger.record(&Resource::Mount { path: path.clone() }).map_err(|e| failed(&e))?;
        }
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", &view.mask, "tmpfs", flags, Some(c"mode=755")).map_err(|e| failed(&e))?;
        let layer = view.mask.join("layer");
        mask(&layer).map_err(|e| failed(&e))?;
        let options = options(&[layer, "/".into()], None, false).map_err(|e| failed(&e))?;
        mount("overlay", &view.view, "overlay", MountFlags::RDONLY, options.as_c_str()).map_err(|error| {
            match error {
                rustix::io::Errno::INVAL => Unavailable::new(
                    "the kernel stacks no overlay on the host's root, which may be one itself",
                    "run isotare on the host itself, or use image=dir:PATH",
                )
                .into(),
                other => failed(&other),
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
            format!("the host's {path} is a file system of its own, which image=host does not show"),
            "use another image, such as debian:PACKAGE",
        )
        .into()),
    }
}

/// Whiteouts for all of the root folder that is no userland, and for the folder where sessions work.
fn mask(layer: &Path) -> io::Result<()> {
    let hide = |path: PathBuf| {
        mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), makedev(0, 0)).map_err(io::Error::from)
    };
    fs::create_dir(layer)?;
    for entry in fs::read_dir("/")? {
        let name = entry?.file_name();
        if !HOST_FOLDERS.iter().any(|folder| name == *folder) {
            hide(layer.join(name))?;
        }
    }
    if Path::new("/var/tmp").exists() {
        fs::create_dir(layer.join("var"))?;
        hide(layer.join("var/tmp"))?;
    }
    Ok(())
}
