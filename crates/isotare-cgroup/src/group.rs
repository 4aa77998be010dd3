//! One group in every hierarchy.

use crate::remove::deepest_first;
use crate::stats::{self, CgroupStats};
use crate::{CgroupError, files};
use std::path::{Path, PathBuf};

/// A group: one folder in each hierarchy. Dropping it removes nothing.
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Controllers and folder, for each version 1 hierarchy.
    pub(crate) v1: Vec<(Vec<String>, PathBuf)>,
    /// Folder in the version 2 hierarchy.
    pub(crate) v2: Option<PathBuf>,
    /// Folders in hierarchies that limit nothing, where runtimes may have made one.
    pub(crate) idle: Vec<PathBuf>,
}

impl Cgroup {
    /// `cgroup.procs` of every hierarchy. A process joins by writing its id, or `0` for itself, to each.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.dirs().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// The files to which a process that has one thread writes `0` to join.
    ///
    /// In version 1 that is `tasks`: for the writing thread itself the kernel then skips the lock that keeps
    /// every thread group of the system stable, which costs one to two milliseconds in each hierarchy
    /// (`cgroup_procs_write_start` in kernel/cgroup/cgroup.c). In version 2 `cgroup.procs` is the only one.
    pub fn joining_files(&self) -> Vec<PathBuf> {
        let v1 = self.v1.iter().map(|(_, dir)| dir.join("tasks"));
        v1.chain(self.v2.iter().map(|dir| dir.join("cgroup.procs"))).collect()
    }

    /// Moves a process with all its threads into the group.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        self.procs_files().iter().try_for_each(|file| files::write(file, &pid.to_string()))
    }

    /// Processes in the group itself, ascending, as any hierarchy sees them.
    pub fn processes(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self
            .procs_files()
            .iter()
            .filter_map(|file| files::read(file).ok())
            .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Whether any process is in it or below it.
    pub fn is_populated(&self) -> bool {
        let groups: Vec<PathBuf> = self.dirs().flat_map(deepest_first).collect();
        groups.iter().any(|dir| files::read(&dir.join("cgroup.procs")).is_ok_and(|list| !list.is_empty()))
    }

    /// Whether any hierarchy has it.
    pub fn exists(&self) -> bool {
        self.dirs().any(Path::is_dir)
    }

    /// What it and the groups below it have used; what cannot be read is absent.
    pub fn stats(&self) -> CgroupStats {
        stats::read(self)
    }

    /// CPU time of all that ran in the group, ns, as the scheduler charged it: `cpuacct.usage` of version 1
    /// (Documentation/admin-guide/cgroup-v1/cpuacct.rst). `None` without it: of its root, version 2 knows
    /// only what ticks saw.
    pub fn charged_cpu_ns(&self) -> Option<u64> {
        stats::charged_cpu_ns(self)
    }

    pub(crate) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.v1.iter().map(|(_, dir)| dir.as_path()).chain(self.v2.as_deref())
    }

    /// The folders that removal has to look at.
    pub(crate) fn all_dirs(&self) -> impl Iterator<Item = &Path> {
        self.dirs().chain(self.idle.iter().map(PathBuf::as_path))
    }

    pub(crate) fn v1_dir(&self, controller: &str) -> Option<&Path> {
        let holds = |controllers: &[String]| controllers.iter().any(|name| name == controller);
        self.v1.iter().find(|(controllers, _)| holds(controllers)).map(|(_, dir)| dir.as_path())
    }
}
