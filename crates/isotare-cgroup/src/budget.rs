//! Applies a budget to a group, and prepares its parents for it.
//!
//! Sources: cgroup-v1/cpusets.rst, cgroup-v1/memory.rst, cgroup-v1/pids.rst, admin-guide/cgroup-v2.rst of the
//! kernel's documentation.

use crate::{Cgroup, CgroupError, Version, files};
use isotare_core::Budget;
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// The version 2 controllers that budgets and readings need.
const PASSED_ON: [&str; 5] = ["cpuset", "cpu", "memory", "io", "pids"];

/// Fills what a new version 1 group must have: a `cpuset` without CPUs or memory nodes takes no process.
/// Groups that others make below it get theirs from it (`cgroup.clone_children`, cgroup-v1/cgroups.rst):
/// liblxc fills none but the outermost, gVisor none.
pub(crate) fn inherit(dir: &Path, controllers: &[String]) -> Result<(), CgroupError> {
    if controllers.iter().any(|name| name == "cpuset") {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if files::read(&dir.join(file))?.trim().is_empty() {
                let parent = dir.parent().unwrap_or(dir);
                files::write(&dir.join(file), files::read(&parent.join(file))?.trim())?;
            }
        }
        files::write(&dir.join("cgroup.clone_children"), "1")?;
    }
    if controllers.iter().any(|name| name == "memory") {
        // Always on since Linux 5.11; before, a parent counted its children only if this was set.
        let file = dir.join("memory.use_hierarchy");
        if files::read(&file).is_ok_and(|value| value.trim() == "0") {
            files::write(&file, "1")?;
        }
    }
    Ok(())
}

/// Lets the children of a version 2 group have every controller that it has itself.
pub(crate) fn pass_on(dir: &Path) -> Result<(), CgroupError> {
    let available = files::read(&dir.join("cgroup.controllers"))?;
    let file = dir.join("cgroup.subtree_control");
    let present = files::read(&file)?;
    let has = |text: &str, name: &str| text.split_ascii_whitespace().any(|word| word == name);
    let missing: Vec<String> = PASSED_ON
        .iter()
        .filter(|name| has(&available, name) && !has(&present, name))
        .map(|name| format!("+{name}"))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => files::write(&file, &missing.join(" ")),
    }
}

/// Pins the group to the budget's CPUs and bounds its memory, swap included, and its processes. No CPU quota.
pub(crate) fn apply(group: &Cgroup, budget: &Budget) -> Result<(), CgroupError> {
    let cpus = budget.cpus.to_string();
    if let Some(dir) = group.v1_dir("cpuset") {
        files::write(&dir.join("cpuset.cpus"), &cpus)?;
    } else {
        files::write(&v2_file(group, "cpuset.cpus")?, &cpus)?;
    }
    let memory = budget.memory.to_string();
    if let Some(dir) = group.v1_dir("memory") {
        limit_v1(dir, &memory)?;
    } else {
        files::write(&v2_file(group, "memory.max")?, &memory)?;
        write_if_there(&v2_file(group, "memory.swap.max")?, "0")?;
    }
    // A group that already existed may have a limit that does not belong to this budget.
    let processes = budget.processes.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
    match group.pids_dir() {
        Some((_, dir)) => files::write(&dir.join("pids.max"), &processes),
        None => Ok(()),
    }
}

impl Cgroup {
    /// What a budget writes to which file of a group such as this one, in order, for a runtime that makes its
    /// groups itself. This one is there: files that the kernel lacks are left out.
    pub fn limits(&self, budget: &Budget) -> Vec<(Version, &'static str, String)> {
        let (cpus, memory) = (budget.cpus.to_string(), budget.memory.to_string());
        let mut limits = Vec::new();
        match self.v1_dir("cpuset") {
            Some(_) => limits.push((Version::V1, "cpuset.cpus", cpus)),
            None => limits.push((Version::V2, "cpuset.cpus", cpus)),
        }
        let has = |dir: &Path, file: &str| dir.join(file).exists();
        match (self.v1_dir("memory"), &self.v2) {
            (Some(dir), _) => {
                limits.push((Version::V1, "memory.limit_in_bytes", memory.clone()));
                if has(dir, "memory.memsw.limit_in_bytes") {
                    limits.push((Version::V1, "memory.memsw.limit_in_bytes", memory));
                }
            }
            (None, v2) => {
                limits.push((Version::V2, "memory.max", memory));
                if v2.as_ref().is_some_and(|dir| has(dir, "memory.swap.max")) {
                    limits.push((Version::V2, "memory.swap.max", "0".to_owned()));
                }
            }
        }
        let pids = budget.processes.zip(self.pids_dir());
        limits.extend(pids.map(|(limit, (version, _))| (version, "pids.max", limit.to_string())));
        limits
    }
}

fn v2_file(group: &Cgroup, name: &str) -> Result<std::path::PathBuf, CgroupError> {
    group.v2.as_ref().map(|dir| dir.join(name)).ok_or_else(|| {
        CgroupError::of(
            "limit",
            name,
            io::Error::new(io::ErrorKind::Unsupported, "no hierarchy has this controller"),
        )
    })
}

/// Memory alone must never exceed memory with swap, so the order of the writes depends on the limits before.
fn limit_v1(dir: &Path, memory: &str) -> Result<(), CgroupError> {
    let (plain, with_swap) = (dir.join("memory.limit_in_bytes"), dir.join("memory.memsw.limit_in_bytes"));
    match files::write(&plain, memory) {
        Err(error) if error.source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            write_if_there(&with_swap, memory)?;
            files::write(&plain, memory)
        }
        Err(error) => Err(error),
        Ok(()) => write_if_there(&with_swap, memory),
    }
}

/// For files that kernels without swap accounting lack.
fn write_if_there(path: &Path, value: &str) -> Result<(), CgroupError> {
    match files::write(path, value) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
