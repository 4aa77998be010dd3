//! One container: the program `lxc-start`, and the things that it creates and does not remove if it is
//! killed.

use super::config::groups_of;
use super::shown::Shown;
use super::storage::Storage;
use crate::container::veth::{self, Link};
use crate::spawned::Spawned;
use isotare_cgroup::Hierarchies;
use isotare_core::{DriverError, Footprint, Instance, InstanceContext, Resource};
use isotare_host::Spawn;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct LxcInstance {
    program: Spawned,
    storage: Arc<Storage>,
    hierarchies: Hierarchies,
    cgroup: String,
    link: Option<Link>,
    shown: Option<Shown>,
}

impl LxcInstance {
    /// Records what `lxc-start` is going to create, and shows the socket in a root if `lxc-start` cannot do
    /// it. `lxc-start` creates the container's groups itself; it refuses existing ones.
    pub(super) fn create(
        spawn: Spawn,
        storage: Arc<Storage>,
        hierarchies: &Hierarchies,
        link: Option<Link>,
        show_in: Option<&Path>,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let groups = groups_of(cx.cgroup).map(|path| Resource::Cgroup { path });
        let links = link.iter().map(|link| Resource::Link { name: link.name.clone() });
        for resource in groups.into_iter().chain(links) {
            cx.ledger
                .record(&resource)
                .map_err(|e| DriverError::failed("record resource of", cx.instance, e))?;
        }
        let program = Spawned::create(spawn, None, None, cx)?;
        // The program has made the socket.
        let shown = show_in.map(|root| Shown::inside(root, cx)).transpose()?;
        Ok(Self {
            program,
            storage,
            hierarchies: hierarchies.clone(),
            cgroup: cx.cgroup.to_owned(),
            link,
            shown,
        })
    }
}

impl Instance for LxcInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.program.start(cx)
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        self.program.wait_ready(cx)
    }

    fn footprint(&self) -> Footprint {
        Footprint { cgroup: Some(self.cgroup.clone()), ..self.program.footprint() }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.program.stop(grace, cx)
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.program.delete(cx)?;
        for path in groups_of(&self.cgroup) {
            self.hierarchies
                .remove_tree(&path)
                .map_err(|e| DriverError::failed("remove cgroup of", cx.instance, e))?;
        }
        if let Some(link) = &self.link {
            veth::remove(link, &cx.deadline)?;
        }
        // Before the root is emptied, because otherwise the control folder would be emptied too.
        self.shown.as_mut().map_or(Ok(()), Shown::remove)?;
        self.storage.remove(cx)
    }

    fn diagnostics(&self) -> String {
        self.program.diagnostics()
    }
}
