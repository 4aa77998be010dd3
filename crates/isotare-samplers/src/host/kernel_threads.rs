//! CPU time of the kernel's own threads.

use crate::process::files::ProcFiles;
use crate::process::stat::{self, Stat};
use crate::process::tree::Children;
use std::collections::HashMap;

/// The process whose children are all threads of the kernel, but for itself and some that are older
/// (Documentation of kthreadd in the kernel's kernel/kthread.c).
const KTHREADD: u32 = 2;

/// CPU time of the kernel's threads since the first reading. If a thread ends, the time since its last
/// reading is lost.
pub(super) struct KernelThreads {
    files: ProcFiles,
    children: Children,
    /// Start and run time at the first reading, ns.
    before: Option<HashMap<u32, (u64, u64)>>,
}

impl KernelThreads {
    pub(super) fn new(mut files: ProcFiles) -> Self {
        let children = Children::probe(&mut files, KTHREADD);
        Self { files, children, before: None }
    }

    /// CPU time since the first reading, s: 0 then. `None` where the kernel does not tell
    /// (`CONFIG_SCHED_INFO`), or where its threads are out of sight, as in a container.
    pub(super) fn run_time(&mut self) -> Option<f64> {
        let now = self.read()?;
        let before = self.before.get_or_insert_with(|| now.clone());
        let since = |(pid, (start, ns)): (&u32, &(u64, u64))| match before.get(pid) {
            Some((began, had)) if began == start => ns.saturating_sub(*had),
            _ => *ns,
        };
        Some(now.iter().map(since).sum::<u64>() as f64 / 1e9)
    }

    fn read(&mut self) -> Option<HashMap<u32, (u64, u64)>> {
        self.children.refresh(&mut self.files);
        let mut pids = Vec::new();
        self.children.of(&mut self.files, KTHREADD, 1, &mut pids);
        let mut threads = HashMap::new();
        for pid in pids {
            let Some(stat) = self.files.of_process(pid, "stat").ok().and_then(Stat::parse) else { continue };
            if stat.parent != KTHREADD || stat.address_space != 0 {
                return None;
            }
            let run = self.files.of_process(pid, "schedstat").ok().and_then(stat::schedstat);
            if let Some((ns, _)) = run {
                threads.insert(pid, (stat.start, ns));
            }
        }
        threads.values().any(|(_, ns)| *ns > 0).then_some(threads)
    }
}
