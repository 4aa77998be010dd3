//! What the containers of an environment share: the tree, the runtime, and a folder in memory for bundles and
//! state.

use super::instance::BundleInstance;
use super::runtime::Runtime;
use crate::installed::root_only;
use crate::root::Tree;
use crate::spawned::usable_cgroups;
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Cause, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext, Resource, Unavailable,
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prepared for trials.
pub(crate) struct BundleEnvironment {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) tree: Tree,
    pub(super) hierarchies: Hierarchies,
    /// Whether each container has a network namespace of its own.
    pub(super) own_network: bool,
    /// Whether the agent talks over its standard streams, and not over a socket of the host.
    pub(super) stdio: bool,
    memory: MemoryFolder,
}

impl BundleEnvironment {
    /// Lays the image out. `runtime` is made of the folder where it may keep its state.
    pub(crate) fn prepare(
        runtime: impl FnOnce(&Path) -> Arc<dyn Runtime>,
        own_network: bool,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        root_only("mounting the containers' root file systems")?;
        let hierarchies = usable_cgroups().map_err(|why| {
            Unavailable::new(why, "mount a cgroup hierarchy with the controllers cpuset and memory")
        })?;
        let tree = Tree::lay_out(image, cx)?;
        let memory = MemoryFolder::mount(cx)?;
        let runtime = runtime(&memory.path.join("runtime"));
        Ok(Self { runtime, tree, hierarchies, own_network, stdio: false, memory })
    }

    /// The same with agents that talk over their standard streams, or not.
    #[must_use]
    pub(crate) fn over_stdio(self, stdio: bool) -> Self {
        Self { stdio, ..self }
    }

    /// Where the bundle of an instance is.
    pub(super) fn bundle(&self, instance: &str) -> PathBuf {
        self.memory.path.join(instance)
    }
}

impl Environment for BundleEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(BundleInstance::create(self, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let facts = [
            ("budget.enforced", "cgroup"),
            ("container.seccomp", "Docker's default profile"),
            ("container.no_new_privs", "set (Docker leaves it unset)"),
            ("container.network", if self.own_network { "own namespace" } else { "the host's" }),
            ("container.root", "overlay, writable layer on disk"),
        ];
        let facts = facts.iter().chain(self.runtime.facts());
        facts.map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// A folder in memory, where runtimes usually have theirs (`/run`): removing a file there never waits for a
/// disk.
struct MemoryFolder {
    path: PathBuf,
}

impl MemoryFolder {
    fn mount(cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let path = cx.work.join("state");
        let failed = |error: Cause| DriverError::failed("mount", path.display().to_string(), error);
        std::fs::create_dir_all(&path).map_err(|e| failed(e.into()))?;
        cx.ledger.record(&Resource::Mount { path: path.clone() }).map_err(|e| failed(e.into()))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("isotare", &path, "tmpfs", flags, Some(c"mode=700")).map_err(|e| failed(e.into()))?;
        Ok(Self { path })
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        // It is in the record of resources.
        let _busy = unmount(&self.path, UnmountFlags::DETACH);
    }
}
