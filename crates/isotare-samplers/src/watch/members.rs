//! Which processes are watched now.

use crate::process::files::ProcFiles;
use std::path::PathBuf;

/// Which processes to watch.
#[derive(Clone, Debug)]
pub enum Scope {
    /// All of the machine.
    All,
    /// These.
    Processes(Vec<u32>),
    /// Those in these `cgroup.procs` files, now and later.
    Cgroups(Vec<PathBuf>),
}

/// The processes of a scope, sorted.
pub(crate) struct Members {
    scope: Scope,
    pids: Vec<u32>,
    /// Forks since boot when the machine was last looked through.
    forks: Option<u64>,
}

impl Members {
    pub fn new(scope: Scope) -> Self {
        Self { scope, pids: Vec::new(), forks: None }
    }

    /// Sorted, each once.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    pub fn has(&self, pid: u32) -> bool {
        self.pids.binary_search(&pid).is_ok()
    }

    /// Looks who is there now.
    pub fn refresh(&mut self, files: &mut ProcFiles) {
        match &self.scope {
            Scope::Processes(pids) if self.pids.is_empty() => self.pids.extend(pids),
            Scope::Processes(_) => return,
            Scope::All => {
                let forks = files.of_host("stat").ok().and_then(forks);
                if forks.is_some() && forks == self.forks {
                    return;
                }
                self.forks = forks;
                self.pids = files.processes();
            }
            Scope::Cgroups(paths) => {
                self.pids.clear();
                for path in paths {
                    let text = std::fs::read(path).unwrap_or_default();
                    self.pids.extend(crate::process::stat::pids(&text));
                }
            }
        }
        self.pids.sort_unstable();
        self.pids.dedup();
    }
}

/// Processes and threads made since boot: `processes` of `/proc/stat`.
fn forks(stat: &[u8]) -> Option<u64> {
    crate::process::stat::keyed(stat, b"processes ")
}
