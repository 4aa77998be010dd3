//! The agent's socket, shown inside an unprivileged container's root beforehand.
//!
//! liblxc makes the mounts of a configuration as the container's own root, who may not enter the session's
//! folder. But it can see the root file system with everything that is mounted below it.

use crate::root::{bind_socket, socket_inside};
use isotare_core::{Cause, DriverError, InstanceContext, Resource};
use rustix::mount::{UnmountFlags, unmount};
use std::path::{Path, PathBuf};

/// A mount on the host. Dropping it unmounts.
pub(super) struct Shown {
    path: PathBuf,
    mounted: bool,
}

impl Shown {
    /// Shows the instance's socket below this root.
    pub(super) fn inside(root: &Path, cx: &InstanceContext<'_>) -> Result<Self, DriverError> {
        let inside = socket_inside();
        let path = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        cx.ledger
            .record(&Resource::Mount { path: path.clone() })
            .map_err(|e| failed("record mount of", e.into()))?;
        bind_socket(&cx.control(), root).map_err(|e| failed("show control socket to", e.into()))?;
        Ok(Self { path, mounted: true })
    }

    /// Unmounts it. Doing it twice does no harm.
    pub(super) fn remove(&mut self) -> Result<(), DriverError> {
        if std::mem::take(&mut self.mounted) {
            unmount(&self.path, UnmountFlags::DETACH)
                .map_err(|e| DriverError::failed("unmount", self.path.display().to_string(), e))?;
        }
        Ok(())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // For a creation that failed half-way. Its error is the one that is reported.
        let _second = self.remove();
    }
}
