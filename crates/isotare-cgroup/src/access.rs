//! Where this process may create groups, and the reason if it may not.

use crate::files;
use crate::hierarchies::{Hierarchies, Hierarchy};
use isotare_core::Unavailable;
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};

/// The folder of a version 2 hierarchy below which to make groups: its root if that is ours to write, else
/// the outermost group around `own` (our own group, relative to the mount) that was delegated to us, such as
/// `user@1000.service`. Without any, the root, so that errors name it.
pub(crate) fn v2_base(point: &Path, own: Option<&Path>) -> PathBuf {
    let mut candidate = point.to_owned();
    if delegated(&candidate) {
        return candidate;
    }
    for part in own.into_iter().flat_map(Path::components) {
        candidate.push(part);
        if delegated(&candidate) {
            return candidate;
        }
    }
    point.to_owned()
}

/// Delegation is write access to the folder and these two files (cgroup-v2.rst, "Model of Delegation").
fn delegated(dir: &Path) -> bool {
    writable(dir) && writable(&dir.join("cgroup.procs")) && writable(&dir.join("cgroup.subtree_control"))
}

fn writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

impl Hierarchies {
    /// Whether groups with a budget can be made below `parent`, which need not be there yet; else the reason
    /// and a remedy.
    pub fn writable(&self, parent: &str) -> Result<(), Unavailable> {
        let parent = parent.trim_matches('/');
        for controller in ["cpuset", "memory"] {
            self.has_controller(controller)?;
        }
        for tree in self.v1.iter().chain(&self.v2) {
            let dir = nearest(&tree.base, parent);
            if !writable(&dir) {
                return Err(refused(tree, &dir, self.v1.is_empty()));
            }
        }
        self.v2.as_ref().map_or(Ok(()), |tree| free_of_processes(tree, parent))
    }

    /// Whether groups below ours can have a limit of tasks: whether the machine has the controller `pids`.
    pub fn limits_tasks(&self) -> bool {
        self.has_controller("pids").is_ok()
    }

    fn has_controller(&self, controller: &str) -> Result<(), Unavailable> {
        let v1 = self.v1.iter().any(|tree| tree.controllers.iter().any(|name| name == controller));
        let v2 = || {
            let tree = self.v2.as_ref()?;
            files::read(&tree.base.join("cgroup.controllers")).ok()
        };
        if v1 || v2().is_some_and(|text| text.split_ascii_whitespace().any(|name| name == controller)) {
            return Ok(());
        }
        Err(Unavailable::new(
            format!("the cgroup controller {controller} is not available"),
            format!(
                "boot without cgroup_disable={controller} (some small boards need \
                 cgroup_enable={controller}), or delegate it: as root, 'systemctl edit user@.service' with \
                 '[Service] Delegate=cpu cpuset io memory pids'"
            ),
        ))
    }
}

/// The innermost existing group on the way to `path`.
fn nearest(base: &Path, path: &str) -> PathBuf {
    let mut dir = base.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        dir.push(part);
        if !dir.is_dir() {
            dir.pop();
            break;
        }
    }
    dir
}

fn refused(tree: &Hierarchy, dir: &Path, pure_v2: bool) -> Unavailable {
    let read_only = access(dir, Access::WRITE_OK).is_err_and(|error| error == rustix::io::Errno::ROFS);
    let root = rustix::process::geteuid().is_root();
    let at = tree.point.display();
    let remedy = match (read_only, root, pure_v2) {
        (true, ..) => {
            format!(
                "remount it: mount -o remount,rw {at} (in a container: start the container with \
                     --privileged)"
            )
        }
        (false, true, _) => "run isotare with the capability to override file permissions".to_owned(),
        (false, false, true) => {
            "run isotare as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes \
             isotare …"
                .to_owned()
        }
        (false, false, false) => {
            "run isotare as root; cgroup version 1 cannot be delegated safely".to_owned()
        }
    };
    let why = if read_only { "is mounted read-only" } else { "is not writable for this user" };
    Unavailable::new(format!("cgroup {} {why}", dir.display()), remedy)
}

/// A group with processes cannot pass controllers on ("No Internal Process Constraint"); only the real root,
/// which has no `cgroup.type`, is exempt. Only controllers that are not on version 1 need passing on.
fn free_of_processes(tree: &Hierarchy, parent: &str) -> Result<(), Unavailable> {
    let available = files::read(&tree.base.join("cgroup.controllers")).unwrap_or_default();
    let needed: Vec<&str> =
        ["cpuset", "memory"].into_iter().filter(|name| available.contains(name)).collect();
    let dir = nearest(&tree.base, parent);
    let mut groups = dir.ancestors().take_while(|group| group.starts_with(&tree.base));
    let occupied = groups.find(|group| {
        let processes = files::read(&group.join("cgroup.procs")).is_ok_and(|text| !text.trim().is_empty());
        let passes = files::read(&group.join("cgroup.subtree_control"))
            .is_ok_and(|text| needed.iter().all(|name| text.contains(name)));
        processes && !passes && group.join("cgroup.type").exists()
    });
    match occupied {
        None => Ok(()),
        Some(group) => Err(Unavailable::new(
            format!(
                "cgroup {} contains processes, so groups below it cannot have controllers",
                group.display()
            ),
            format!(
                "move them first: mkdir {0}/init && for p in $(cat {0}/cgroup.procs); do echo $p > {0}/init/cgroup.procs; done",
                group.display()
            ),
        )),
    }
}
