//! The hierarchies of the host, and how a group is created in all of them.

use crate::discover::{self, Mount};
use crate::{Cgroup, CgroupError, access, budget, files};
use isotare_core::Budget;
use std::io;
use std::path::{Path, PathBuf};

/// Which interface holds the controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Only version 1.
    V1,
    /// Only version 2.
    V2,
    /// Both: version 2 has the controllers that version 1 does not have, often none.
    Hybrid,
}

impl Version {
    /// The word for it in every output.
    pub fn word(self) -> &'static str {
        match self {
            Version::V1 => "v1",
            Version::V2 => "v2",
            Version::Hybrid => "hybrid",
        }
    }
}

/// The cgroup hierarchies that are mounted here.
#[derive(Clone, Debug)]
pub struct Hierarchies {
    pub(crate) v1: Vec<Hierarchy>,
    pub(crate) v2: Option<Hierarchy>,
    /// Whether version 2 is mounted, in use or not.
    has_v2: bool,
    /// Mount points of hierarchies that limit nothing. Runtimes make groups there all the same, so removal
    /// looks there.
    idle: Vec<PathBuf>,
}

/// One hierarchy, and where in it groups may be made.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    /// Its version 1 controllers; empty: version 2.
    pub controllers: Vec<String>,
    /// Its mount point.
    pub point: PathBuf,
    /// The folder that our paths are below: the mount point, or a group that was delegated to us.
    pub base: PathBuf,
}

impl Hierarchies {
    /// Finds the hierarchies of this machine.
    pub fn discover() -> Result<Self, CgroupError> {
        Self::discover_in(Path::new("/"))
    }

    /// Finds the hierarchies of a machine whose file systems are below `root`.
    pub fn discover_in(root: &Path) -> Result<Self, CgroupError> {
        let mounts = discover::mounts(&files::read(&root.join("proc/self/mountinfo"))?);
        let own = files::read(&root.join("proc/self/cgroup")).unwrap_or_default();
        let place = |mount: &Mount| root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
        let v1 = mounts.iter().filter_map(|mount| {
            let controllers = mount.controllers.clone().filter(|controllers| !controllers.is_empty())?;
            let point = place(mount);
            Some(Hierarchy { controllers, base: point.clone(), point })
        });
        let v1: Vec<_> = v1.collect();
        let v2 = mounts.iter().find(|mount| mount.controllers.is_none());
        let has_v2 = v2.is_some();
        let named = mounts.iter().filter(|mount| mount.controllers.as_ref().is_some_and(Vec::is_empty));
        let mut idle: Vec<PathBuf> = named.map(place).collect();
        // Where version 1 holds every controller, version 2 limits nothing; and joining one of its groups
        // takes the lock that `Cgroup::joining_files` speaks of, some ten milliseconds in the life of every
        // instance.
        let is_idle = |point: &Path| {
            let ours = ["cpu", "cpuset", "io", "memory", "pids"];
            let list = files::read(&point.join("cgroup.controllers")).unwrap_or_default();
            !list.split_whitespace().any(|controller| ours.contains(&controller))
        };
        let (v2, idle_v2) = match v2.map(|mount| (mount, place(mount))) {
            Some((_, point)) if !v1.is_empty() && is_idle(&point) => (None, Some(point)),
            found => (found.map(|(mount, _)| mount), None),
        };
        idle.extend(idle_v2);
        let v2 = v2.map(|mount| {
            let point = place(mount);
            let own = discover::own_v2_group(&own, &mount.root);
            let base = access::v2_base(&point, own.as_deref());
            Hierarchy { controllers: Vec::new(), point, base }
        });
        match v1.is_empty() && v2.is_none() {
            true => Err(CgroupError::of(
                "find",
                "a cgroup hierarchy in /proc/self/mountinfo",
                io::Error::new(io::ErrorKind::NotFound, "none is mounted"),
            )),
            false => Ok(Self { v1, v2, has_v2, idle }),
        }
    }

    /// Which interface holds the controllers.
    pub fn version(&self) -> Version {
        match (self.v1.is_empty(), self.has_v2) {
            (true, _) => Version::V2,
            (false, true) => Version::Hybrid,
            (false, false) => Version::V1,
        }
    }

    /// The path for a runtime (`cgroupsPath`, `--cgroup-parent`) that has to create or join the group `path`:
    /// the same path, seen from the hierarchies' roots.
    pub fn runtime_path(&self, path: &str) -> String {
        let delegated = self.v2.as_ref().filter(|_| self.v1.is_empty());
        let below = delegated.and_then(|v2| v2.base.strip_prefix(&v2.point).ok()).unwrap_or(Path::new(""));
        format!("/{}", below.join(path.trim_matches('/')).display())
    }

    /// The group at `path`, whether it is there or not.
    pub fn open(&self, path: &str) -> Cgroup {
        let path = path.trim_matches('/');
        Cgroup {
            v1: self.v1.iter().map(|tree| (tree.controllers.clone(), tree.base.join(path))).collect(),
            v2: self.v2.as_ref().map(|tree| tree.base.join(path)),
            idle: self.idle.iter().map(|point| point.join(path)).collect(),
        }
    }

    /// Refuses a group that contains processes, or whose subgroups do: it belongs to another program.
    pub fn refuse_taken(&self, path: &str) -> Result<(), CgroupError> {
        match self.open(path).is_populated() {
            false => Ok(()),
            true => Err(CgroupError::of("create cgroup", path, io::ErrorKind::AlreadyExists.into())),
        }
    }

    /// Makes the group at `path` in every hierarchy, its parents first, and applies the budget. Parents are
    /// given what their children need: `cpuset` contents on version 1, controllers in
    /// `cgroup.subtree_control` on version 2, where a parent must therefore hold no processes. An existing
    /// group is reused, unless it contains processes: then it belongs to another program.
    ///
    /// The real root of version 2 is used even under systemd: it does not change groups that are not its
    /// units, and cannot take a controller back while a child passes it on (systemd.io/CGROUP_DELEGATION).
    pub fn create(&self, path: &str, budget: Option<&Budget>) -> Result<Cgroup, CgroupError> {
        let parts = parts(path)?;
        self.refuse_taken(path)?;
        for tree in &self.v1 {
            let mut dir = tree.base.clone();
            for part in &parts {
                dir.push(part);
                files::make(&dir)?;
                budget::inherit(&dir, &tree.controllers)?;
            }
        }
        if let Some(tree) = &self.v2 {
            let mut dir = tree.base.clone();
            for part in &parts {
                budget::pass_on(&dir)?;
                dir.push(part);
                files::make(&dir)?;
            }
        }
        let group = self.open(path);
        if let Some(budget) = budget {
            budget::apply(&group, budget)?;
        }
        Ok(group)
    }
}

/// The parts of a group's path; it must name a group below the base and nothing outside.
fn parts(path: &str) -> Result<Vec<&str>, CgroupError> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.iter().all(|part| !part.is_empty() && *part != "." && *part != "..") {
        true => Ok(parts),
        false => Err(CgroupError::of(
            "understand",
            format!("cgroup path '{path}'"),
            io::Error::from(io::ErrorKind::InvalidInput),
        )),
    }
}

impl Hierarchies {
    /// Refuses a path that would reach the base or leave it; for removal.
    pub(crate) fn check(path: &str) -> Result<(), CgroupError> {
        parts(path).map(|_| ())
    }
}
