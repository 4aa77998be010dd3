//! How many tasks (processes and threads) a group may hold, and how often one more was refused.
//!
//! Sources: cgroup-v1/pids.rst and "PID" in admin-guide/cgroup-v2.rst of the kernel's documentation.

use crate::remove::deepest_first;
use crate::{Cgroup, Version, files};
use std::path::{Path, PathBuf};

/// The state of the controller `pids` for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// The smallest limit that counts for the group: its own, of one above it, or of one that a runtime made
    /// below it. `None`: not limited.
    pub limit: Option<u64>,
    /// How often a new task was refused for a limit, in the group and below it.
    pub refused: u64,
}

impl Cgroup {
    /// What the controller `pids` says; `None`: the machine has none, or the group is gone.
    pub fn tasks(&self) -> Option<Tasks> {
        let (_, dir) = self.pids_dir()?;
        let groups: Vec<PathBuf> = deepest_first(dir);
        let above = dir.ancestors().skip(1).map(Path::to_owned);
        let limit = groups.iter().cloned().chain(above).filter_map(|group| {
            let limit = files::read(&group.join("pids.max")).ok()?;
            files::number(&limit)
        });
        let refused = |group: &Path| {
            let events = files::read(&group.join("pids.events")).unwrap_or_default();
            files::keyed(&events, "max").unwrap_or(0)
        };
        // Version 2 counts what happens below too since it has the other file; before, and in version 1, each
        // group alone.
        let refused = match dir.join("pids.events.local").exists() {
            true => refused(dir),
            false => groups.iter().map(|group| refused(group)).sum(),
        };
        Some(Tasks { limit: limit.min(), refused })
    }

    /// Where the controller `pids` is. This one is there.
    pub(crate) fn pids_dir(&self) -> Option<(Version, &Path)> {
        let has = |dir: &&Path| dir.join("pids.max").exists();
        let v1 = self.v1_dir("pids").filter(has).map(|dir| (Version::V1, dir));
        v1.or_else(|| self.v2.as_deref().filter(has).map(|dir| (Version::V2, dir)))
    }
}
