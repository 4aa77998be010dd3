//! Leftovers of other programs in our private folders: their processes and mounts.

use crate::sweep::remove_mount;
use crate::{Swept, identify, sweep};
use isotare_core::{Deadline, ProcessId, Resource};
use std::fs;
use std::path::Path;

/// Processes of a program with the folder's (unique) path in their command line.
pub fn processes_naming(folder: &Path, program: &str) -> Vec<ProcessId> {
    let mark = format!("{}/", folder.display());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = |process: &ProcessId| {
        let read = |file: &str| {
            let bytes = fs::read(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        read("comm").trim_end() == program && read("cmdline").contains(&mark)
    };
    pids.filter_map(identify).filter(ours).collect()
}

/// Ends all of these programs, by name as the kernel cuts it; true if there was one.
pub fn end_processes_naming(folder: &Path, programs: &[&str], deadline: &Deadline) -> bool {
    let mut any = false;
    for process in programs.iter().flat_map(|program| processes_naming(folder, program)) {
        any = true;
        // One that cannot be killed is found again by the next sweep.
        let _swept: Swept = sweep(&Resource::Process(process), deadline);
    }
    any
}

/// Takes away all mounts below a folder but the folder's own, innermost first.
pub fn unmount_below(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // Field 5 is the mount point: proc_pid_mountinfo(5).
    let points = table.lines().rev().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    for point in points.filter(|point| point.starts_with(folder) && *point != folder) {
        // It may have gone with one above it.
        let _gone = remove_mount(point);
    }
}
