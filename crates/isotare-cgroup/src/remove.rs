//! Removes a group with everything in it.

use crate::{Cgroup, CgroupError, Hierarchies, files};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// First and longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(20));

impl Hierarchies {
    /// Removes the group at `path` and all below it from every hierarchy; true if there was one. What still
    /// runs in it is killed: by `cgroup.kill` where there is one (version 2, Linux 5.14), else by signals to
    /// a frozen group, again until none is left. Waits at most ten seconds until they have ended. It can be
    /// called twice.
    pub fn remove_tree(&self, path: &str) -> Result<bool, CgroupError> {
        Self::check(path)?;
        let group = self.open(path);
        if !group.all_dirs().any(Path::is_dir) {
            return Ok(false);
        }
        let end = Instant::now() + PATIENCE;
        let mut pause = PAUSE.0;
        loop {
            let trees: Vec<PathBuf> = group.all_dirs().flat_map(deepest_first).collect();
            let left = kill(&group, &trees)?;
            let rest = if left.is_empty() { remove_all(&trees)? } else { trees.into_iter().next() };
            let Some(rest) = rest else {
                return Ok(true);
            };
            if Instant::now() >= end {
                let left: Vec<_> = left.iter().map(u32::to_string).collect();
                let subject = format!("{} (processes left: {})", rest.display(), left.join(" "));
                return Err(CgroupError::of("remove cgroup", subject, io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}

impl Hierarchies {
    /// Removes the group at `path` where nothing is in it or below it; where something is, it stays.
    pub fn remove_if_empty(&self, path: &str) -> Result<(), CgroupError> {
        Self::check(path)?;
        for dir in self.open(path).all_dirs() {
            // A group that is in use, or gone, is left as it is.
            let _in_use = fs::remove_dir(dir);
        }
        Ok(())
    }
}

/// A group and all below it, children first. What vanishes meanwhile is left out.
pub(crate) fn deepest_first(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(deepest_first(&entry.path()));
        }
    }
    if dir.is_dir() {
        found.push(dir.to_owned());
    }
    found
}

/// Kills the processes in the groups and returns them. A process may be in only some hierarchies, so all of
/// them are checked.
fn kill(group: &Cgroup, dirs: &[PathBuf]) -> Result<BTreeSet<u32>, CgroupError> {
    let found = processes(dirs);
    if found.is_empty() {
        return Ok(found);
    }
    let own = std::process::id();
    if found.contains(&own) {
        let why = io::Error::new(io::ErrorKind::ResourceBusy, "this process itself runs in it");
        return Err(CgroupError::of("remove cgroup of process", own.to_string(), why));
    }
    if let Some(dir) = &group.v2 {
        // Absent on older kernels; the signals below do it then.
        let _ = files::write(&dir.join("cgroup.kill"), "1");
    }
    let freezer = group.v1_dir("freezer").map(|dir| dir.join("freezer.state"));
    if let Some(state) = &freezer {
        // Frozen processes cannot fork faster than they are read; the signal takes effect at the thaw.
        let _ = files::write(state, "FROZEN");
    }
    for pid in processes(dirs) {
        // Zero means a process of a pid namespace that we cannot see. It is not a `Pid`.
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    if let Some(state) = &freezer {
        let _ = files::write(state, "THAWED");
    }
    Ok(found)
}

fn processes(dirs: &[PathBuf]) -> BTreeSet<u32> {
    let texts = dirs.iter().filter_map(|dir| files::read(&dir.join("cgroup.procs")).ok());
    texts.flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Removes the groups in order; tells the first that is still busy.
fn remove_all(dirs: &[PathBuf]) -> Result<Option<PathBuf>, CgroupError> {
    let mut busy = None;
    for dir in dirs {
        match fs::remove_dir(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                busy.get_or_insert_with(|| dir.clone());
            }
            Err(error) => return Err(CgroupError::at("remove cgroup", dir)(error)),
        }
    }
    Ok(busy)
}
