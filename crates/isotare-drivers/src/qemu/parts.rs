//! The parts of a machine on the host, besides QEMU's process: disks, shared root, link and cgroup.

use super::environment::QemuEnvironment;
use super::share::Share;
use super::tap::Tap;
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{Cause, DriverError, InstanceContext, Resource};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// [`Parts::remove`] removes all of them that exist.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Files: of the disks first, in the spec's order.
    pub(super) disks: Vec<PathBuf>,
    pub(super) share: Option<Share>,
    pub(super) tap: Option<Tap>,
    pub(super) cgroup: Option<(String, Cgroup)>,
}

impl Parts {
    /// Makes them all, or none.
    pub(super) fn make(environment: &QemuEnvironment, cx: &InstanceContext<'_>) -> Result<Self, DriverError> {
        if let Ok(hierarchies) = &environment.hierarchies {
            // Links are named after the instance. If a link of this name belongs to another instance, it has
            // to stay.
            hierarchies
                .refuse_taken(cx.cgroup)
                .map_err(|e| DriverError::failed("create machine", cx.instance, e))?;
        }
        let mut parts = Self::default();
        match parts.fill(environment, cx) {
            Ok(()) => Ok(parts),
            Err(error) => {
                // What could not be removed stays in the record of resources. The first error is reported.
                let _second = parts.remove(cx);
                Err(error)
            }
        }
    }

    fn fill(&mut self, environment: &QemuEnvironment, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        for (name, template) in environment.spec.disks().iter().zip(&environment.templates) {
            let disk = cx.work.join(format!("{name}.disk"));
            self.disks.push(disk.clone());
            template.instantiate(&disk, &cx.deadline)?;
        }
        if let Some(export) = &environment.export {
            self.share = Some(export.mount(cx)?);
        }
        if let Some(ip) = &environment.ip {
            self.tap.insert(Tap::plan(ip, cx.instance)).make(cx)?;
        }
        if let Ok(hierarchies) = &environment.hierarchies {
            cx.ledger
                .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
                .map_err(|e| failed("record cgroup of", e.into()))?;
            let cgroup = hierarchies
                .create(cx.cgroup, Some(&environment.limits(cx)))
                .map_err(|e| failed("create cgroup of", e.into()))?;
            self.cgroup = Some((cx.cgroup.to_owned(), cgroup));
        }
        Ok(())
    }

    /// For starting processes in the cgroup: the files to write to.
    pub(super) fn procs_files(&self) -> Vec<PathBuf> {
        self.cgroup.as_ref().map(|(_, cgroup)| cgroup.procs_files()).unwrap_or_default()
    }

    /// Removes them. Doing it twice does no harm.
    pub(super) fn remove(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if let Some(share) = &mut self.share {
            share.remove(cx)?;
        }
        if let Some((path, _)) = &self.cgroup {
            Hierarchies::discover()
                .and_then(|hierarchies| hierarchies.remove_tree(path))
                .map_err(|e| DriverError::failed("remove cgroup of", cx.instance, e))?;
            self.cgroup = None;
        }
        if let Some(tap) = &self.tap {
            tap.remove(cx)?;
        }
        self.disks.iter().try_for_each(|path| remove_file(path))
    }
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<(), DriverError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DriverError::failed("remove", path.display().to_string(), error))
        }
        _ => Ok(()),
    }
}
