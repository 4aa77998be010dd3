//! An image laid out, and containers made of it.

use super::config::{Container, batch};
use super::driver::Choice;
use super::instance::LxcInstance;
use super::storage::Storage;
use crate::container::veth;
use crate::root::Tree;
use crate::spawned::session_group;
use isotare_cgroup::{Hierarchies, Version};
use isotare_core::{Cause, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext};
use isotare_host::Spawn;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Prepared for trials.
pub(super) struct LxcEnvironment {
    choice: Choice,
    storage: Arc<Storage>,
    hierarchies: Hierarchies,
    limits: Vec<(Version, &'static str, String)>,
}

impl LxcEnvironment {
    pub(super) fn prepare(
        choice: Choice,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.session, error);
        let storage = Storage::prepare(&choice.storage, Tree::lay_out(image, cx)?, cx)?;
        let hierarchies = Hierarchies::discover().map_err(|e| failed("find cgroups for", e.into()))?;
        let session = session_group(&hierarchies, cx)?;
        Ok(Self { choice, storage: Arc::new(storage), hierarchies, limits: session.limits(cx.budget) })
    }
}

impl Environment for LxcEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        // liblxc creates the group, and would use another name.
        self.hierarchies.refuse_taken(cx.cgroup).map_err(|e| failed("create container", e.into()))?;
        let link = self.choice.ip.clone().map(|ip| veth::plan(cx.instance, ip));
        let rootfs = self.storage.make(cx)?;
        let show_in = rootfs.strip_prefix("dir:").filter(|_| self.choice.unprivileged).map(Path::new);
        let commands = cx.work.join("link.batch");
        if let Some(link) = &link {
            fs::write(&commands, batch(link)).map_err(|e| failed("write network commands of", e.into()))?;
        }
        let control = cx.control();
        let cgroup = self.hierarchies.runtime_path(cx.cgroup);
        let container = Container {
            rootfs: &rootfs,
            control: show_in.is_none().then_some(control.as_path()),
            cgroup: cgroup.trim_start_matches('/'),
            limits: &self.limits,
            link: link.as_ref().map(|link| (link, commands.as_path())),
            unprivileged: self.choice.unprivileged,
        };
        let config = cx.work.join("lxc.conf");
        fs::write(&config, container.text()).map_err(|e| failed("write configuration of", e.into()))?;
        let spawn = Spawn::new(&self.choice.start)
            .args(["--foreground", "--name", cx.instance, "--rcfile"])
            .arg(&config);
        let made =
            LxcInstance::create(spawn, Arc::clone(&self.storage), &self.hierarchies, link, show_in, cx);
        Ok(Box::new(made?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let choice = &self.choice;
        let storage = match &*self.storage {
            Storage::Overlay(_) => "overlay, mounted by liblxc",
            Storage::Copy { .. } => "dir, a copy for each instance",
            Storage::Snapshot { .. } => "btrfs, a snapshot for each instance",
        };
        let facts = [
            ("budget.enforced", "cgroup"),
            ("lxc.storage", storage),
            ("lxc.network", if choice.ip.is_some() { "veth" } else { "loopback only" }),
            ("lxc.unprivileged", if choice.unprivileged { "true" } else { "false" }),
            ("lxc.capabilities", "Debian's common.conf; with unprivileged=true, all of its own namespace"),
            ("lxc.seccomp", "Debian's common.seccomp: a list of refused calls"),
            ("lxc.no_new_privs", "unset"),
            ("lxc.lxcfs", "not used"),
        ];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}
