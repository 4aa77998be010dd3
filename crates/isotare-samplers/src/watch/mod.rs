//! Every process of a machine, a cgroup or a list, from one reading to the next: what `pidstat` shows.
//!
//! Most processes are idle most of the time, so a reading first reads only the CPU time in `schedstat`, from
//! a file that is kept open. The other files are read only if the process has run since the last reading, or
//! if it has several threads (that file covers only one). New processes are searched only if the kernel's
//! count of forks has grown. Between two readings without new processes nothing is allocated.
//!
//! As in pidstat, run delay and switches of a process are those of its first thread; threads have their own.
//! Sources: proc_pid_stat(5), proc_pid_io(5), proc_pid_status(5), proc_stat(5),
//! Documentation/scheduler/sched-stats.rst.

mod members;
mod task;

pub use members::Scope;
pub use task::{Activity, Task, Wanted};

use crate::process::files::ProcFiles;
use isotare_core::{Timestamp, Unavailable};
use members::Members;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the processes of a [`Scope`] again and again.
pub struct Watch {
    files: ProcFiles,
    members: Members,
    wanted: Wanted,
    /// By process and thread; the process itself, which comes before its threads, has 0.
    tasks: BTreeMap<(u32, u32), Task>,
    /// Whether the kernel fills `schedstat`.
    tells_run_time: bool,
}

impl Watch {
    /// For the machine whose `/proc` is below `root`.
    pub fn new(root: &Path, scope: Scope, wanted: Wanted) -> Result<Self, Unavailable> {
        let mut files = ProcFiles::open(root).map_err(|error| {
            let cause = format!("{} cannot be opened: {error}", root.join("proc").display());
            Unavailable::new(cause, "mount it: mount -t proc proc /proc")
        })?;
        let own = files.of_process(std::process::id(), "schedstat").ok();
        let tells_run_time = own.and_then(crate::process::stat::schedstat).is_some_and(|(run, _)| run > 0);
        Ok(Self { files, members: Members::new(scope), wanted, tasks: BTreeMap::new(), tells_run_time })
    }

    /// Reads everything. `at` is when, on any clock that only grows.
    pub fn read(&mut self, at: Timestamp) {
        let Self { files, members, wanted, tasks, tells_run_time, .. } = self;
        members.refresh(files);
        for &pid in members.pids() {
            tasks.entry((pid, 0)).or_insert_with(|| Task::new(pid, None));
            if wanted.threads {
                for tid in files.threads(pid) {
                    tasks.entry((pid, tid)).or_insert_with(|| Task::new(pid, Some(tid)));
                }
            }
        }
        tasks.retain(|(pid, _), task| members.has(*pid) && task.read(at, files, *wanted, *tells_run_time));
    }

    /// Each process, and after it its threads if they are wanted, by number.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }
}
