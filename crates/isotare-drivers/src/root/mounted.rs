//! A root file system that is mounted for one instance, if the runtime does not mount it.

use super::{Tree, bind_socket, options};
use isotare_core::{Cause, DriverError, InstanceContext, Ledger, Resource};
use rustix::fs::{AtFlags, CWD, FileType, Mode, chmodat, makedev, mkdirat, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs;
use std::path::{Path, PathBuf};

/// An overlay with a writable layer of its own in the instance's folder. Dropping it unmounts.
#[derive(Debug)]
pub(crate) struct MountedRoot {
    path: PathBuf,
    mounted: bool,
}

impl MountedRoot {
    /// Mounts the overlay. Mounts below it are removed with it.
    pub(crate) fn mount(tree: &Tree, cx: &InstanceContext<'_>) -> Result<Self, DriverError> {
        Self::mount_in(tree, cx.work, cx.instance, cx.ledger)
    }

    /// Mounts it with its layers in this folder, for `subject`.
    pub(crate) fn mount_in(
        tree: &Tree,
        folder: &Path,
        subject: &str,
        ledger: &dyn Ledger,
    ) -> Result<Self, DriverError> {
        let [path, upper, work] = ["root", "upper", "overlay"].map(|name| folder.join(name));
        let failed = |what, error: Cause| DriverError::failed(what, subject, error);
        for folder in [&path, &upper, &work] {
            fs::create_dir(folder).map_err(|e| failed("make a layer of", e.into()))?;
        }
        let options = options(&tree.lowers, Some((&upper, &work)), false)
            .map_err(|e| failed("mount root of", e.into()))?;
        ledger
            .record(&Resource::Mount { path: path.clone() })
            .map_err(|e| failed("record root of", e.into()))?;
        mount("overlay", &path, "overlay", MountFlags::empty(), options.as_c_str())
            .map_err(|e| failed("mount root of", e.into()))?;
        Ok(Self { path, mounted: true })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Shows the socket of an instance's control folder where agents look for it.
    pub(crate) fn show_socket(&self, control: &Path) -> Result<(), DriverError> {
        bind_socket(control, &self.path)
            .map_err(|e| DriverError::failed("bind", control.display().to_string(), e))
    }

    /// Mounts `proc` or `sysfs` on the folder where it belongs.
    pub(crate) fn pseudo(&self, kind: &str) -> Result<(), DriverError> {
        let inside = self.path.join(kind.trim_end_matches("fs"));
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(kind, &inside, kind, flags, None)
            .map_err(|e| DriverError::failed("mount", inside.display().to_string(), e))
    }

    /// Fills `/dev` in memory with the devices that every runtime provides (the OCI runtime specification's
    /// default devices). The host's own folder is not shown, so that removing the root cannot affect it.
    pub(crate) fn devices(&self) -> Result<(), DriverError> {
        let dev = self.path.join("dev");
        let failed =
            |error: rustix::io::Errno| DriverError::failed("furnish", dev.display().to_string(), error);
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", &dev, "tmpfs", flags, Some(c"mode=755,size=64m")).map_err(failed)?;
        for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
            let mode = Mode::from_raw_mode(0o666);
            let node = dev.join(name);
            mknodat(CWD, &node, FileType::CharacterDevice, mode, makedev(1, minor)).map_err(failed)?;
            // This is independent of the umask of the process.
            chmodat(CWD, &node, mode, AtFlags::empty()).map_err(failed)?;
        }
        mkdirat(CWD, dev.join("shm"), Mode::from_raw_mode(0o1777)).map_err(failed)
    }

    /// Unmounts it with all below it. Doing it twice does no harm.
    pub(crate) fn remove(&mut self) -> Result<(), DriverError> {
        if std::mem::take(&mut self.mounted) {
            unmount(&self.path, UnmountFlags::DETACH)
                .map_err(|e| DriverError::failed("unmount", self.path.display().to_string(), e))?;
        }
        Ok(())
    }
}

impl Drop for MountedRoot {
    fn drop(&mut self) {
        // For a creation that failed half-way. Its error is the one that is reported.
        let _second = self.remove();
    }
}
