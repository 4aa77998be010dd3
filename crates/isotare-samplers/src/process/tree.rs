//! Finds the children of processes: from the kernel's lists where it keeps them (CONFIG_PROC_CHILDREN), else
//! from the parents that all processes name.

use super::files::ProcFiles;
use super::stat::{self, Stat};
use std::collections::HashMap;

/// How children are found here.
pub(crate) enum Children {
    /// `/proc/PID/task/TID/children`.
    Listed,
    /// Children by parent, as of the last [`Children::refresh`].
    Scanned(HashMap<u32, Vec<u32>>),
}

impl Children {
    /// Finds out with `known`, some process that is there.
    pub fn probe(files: &mut ProcFiles, known: u32) -> Self {
        match files.of_thread(known, known, "children") {
            Ok(_) => Children::Listed,
            Err(_) => Children::Scanned(HashMap::new()),
        }
    }

    /// Looks again at who is whose child.
    pub fn refresh(&mut self, files: &mut ProcFiles) {
        if let Children::Scanned(by_parent) = self {
            by_parent.clear();
            for pid in files.processes() {
                if let Some(stat) = files.of_process(pid, "stat").ok().and_then(Stat::parse) {
                    by_parent.entry(stat.parent).or_default().push(pid);
                }
            }
        }
    }

    /// Adds the children of a process to `found`. Each thread has its own.
    pub fn of(&self, files: &mut ProcFiles, pid: u32, threads: u64, found: &mut Vec<u32>) {
        match self {
            Children::Scanned(by_parent) => found.extend(by_parent.get(&pid).into_iter().flatten()),
            Children::Listed if threads <= 1 => listed(files, pid, pid, found),
            Children::Listed => {
                for tid in files.threads(pid) {
                    listed(files, pid, tid, found);
                }
            }
        }
    }
}

fn listed(files: &mut ProcFiles, pid: u32, tid: u32, found: &mut Vec<u32>) {
    if let Ok(text) = files.of_thread(pid, tid, "children") {
        found.extend(stat::pids(text));
    }
}
