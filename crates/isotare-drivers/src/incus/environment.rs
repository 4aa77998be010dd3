//! An imported image, a pool, and the description of instances made of them.

use super::client::Client;
use super::image::{Imported, Pool, host_name};
use super::instance::IncusInstance;
use super::removal::{LABEL, What, resource};
use crate::lxc::groups_of;
use crate::root::socket_inside;
use crate::spawned::session_group;
use hyper::Method;
use isotare_cgroup::{Hierarchies, Version};
use isotare_core::{
    AGENT_PATH, CONTROL_DIR, Cause, CpuSet, DATA_DIR, DriverError, Environment, Image, Instance,
    InstanceContext, PrepareContext, Resource, Settings,
};
use isotare_host::listen;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct IncusEnvironment {
    driver: &'static str,
    client: Arc<Client>,
    // Before the pool, which cannot be removed while it contains the image.
    image: Imported,
    pool: Pool,
    storage: String,
    hierarchies: Hierarchies,
}

impl IncusEnvironment {
    pub(super) fn prepare(
        driver: &'static str,
        client: Client,
        storage: &str,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let client = Arc::new(client);
        let hierarchies = Hierarchies::discover()
            .map_err(|error| DriverError::failed("find cgroups for", cx.session, error))?;
        session_group(&hierarchies, cx)?;
        let pool = match settings.text("pool") {
            Some(name) => Pool::named(Arc::clone(&client), name),
            None => Pool::new(Arc::clone(&client), driver, storage, cx)?,
        };
        let image = Imported::new(Arc::clone(&client), driver, image, cx)?;
        Ok(Self { driver, client, image, pool, storage: storage.to_owned(), hierarchies })
    }

    /// Settings for which the daemon has no keys, in the syntax of lxc.container.conf(5).
    fn raw(&self, cx: &InstanceContext<'_>) -> String {
        let kind = if self.hierarchies.version() == Version::V2 { "cgroup2" } else { "cgroup" };
        let group = self.hierarchies.runtime_path(cx.cgroup);
        let group = group.trim_start_matches('/');
        let parent = group.rsplit_once('/').map_or("", |(parent, _)| parent);
        let [container, monitor] = groups_of(group);
        let lines = [
            ("lxc.init.cmd", format!("{AGENT_PATH} --socket {CONTROL_DIR}/agent.sock --data {DATA_DIR}")),
            ("lxc.cgroup.dir.container", container),
            ("lxc.cgroup.dir.monitor", monitor),
            ("lxc.cgroup.dir.monitor.pivot", parent.to_owned()),
            // The daemon itself pins a container only after it runs, when it shares out the CPUs anew.
            (&format!("lxc.{kind}.cpuset.cpus"), cx.budget.cpus.to_string()),
        ];
        lines.map(|(key, value)| format!("{key} = {value}")).join("\n")
    }

    fn description(&self, name: &str, cx: &InstanceContext<'_>) -> Value {
        let mut config = json!({
            LABEL: cx.session,
            "raw.lxc": self.raw(cx),
            "limits.cpu": pinned(&cx.budget.cpus),
            "limits.memory": format!("{}B", cx.budget.memory),
            "limits.memory.swap": "false",
        });
        if let Some(limit) = cx.budget.processes {
            config["limits.processes"] = limit.to_string().into();
        }
        json!({
            "name": name,
            "profiles": [],
            "source": {"type": "image", "fingerprint": self.image.fingerprint},
            "config": config,
            "devices": {
                "root": {"type": "disk", "path": "/", "pool": self.pool.name},
                "control": {"type": "disk", "source": cx.control_socket(), "path": socket_inside(), "readonly": "true"},
            },
        })
    }
}

/// CPUs in the format of `limits.cpu`: a single number would be the number of CPUs; a range names the CPUs.
fn pinned(cpus: &CpuSet) -> String {
    cpus.iter().map(|cpu| format!("{cpu}-{cpu}")).collect::<Vec<_>>().join(",")
}

impl Environment for IncusEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let name = host_name(cx.instance);
        let failed = |what, error: Cause| DriverError::failed(what, &name, error);
        let listener = listen(&cx.control_socket()).map_err(|e| failed("listen for agent of", e.into()))?;
        let groups = groups_of(cx.cgroup).map(|path| Resource::Cgroup { path });
        let instance = resource(What::Instance, self.driver, &self.client.socket, &name);
        for resource in groups.into_iter().chain([instance]) {
            cx.ledger.record(&resource).map_err(|e| failed("record instance", e.into()))?;
        }
        self.client
            .act(Method::POST, "/1.0/instances", Some(&self.description(&name, cx)), &cx.deadline)
            .map_err(|error| error.during("create instance", &name))?;
        Ok(Box::new(IncusInstance::new(
            Arc::clone(&self.client),
            name,
            listener,
            self.hierarchies.clone(),
            cx.cgroup,
        )))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let name = self.driver;
        BTreeMap::from([
            ("budget.enforced".to_owned(), "cgroup".to_owned()),
            ("cgroup.parent".to_owned(), "session".to_owned()),
            (format!("{name}.storage"), self.storage.clone()),
            (format!("{name}.pool"), self.pool.name.clone()),
            (format!("{name}.network"), "loopback only".to_owned()),
            (
                format!("{name}.security"),
                "the daemon's defaults: unprivileged, its own seccomp filter".to_owned(),
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_is_written_as_a_range() {
        let pinned = |text: &str| pinned(&text.parse().expect("a list"));
        assert_eq!((pinned("1"), pinned("0-1,3")), ("1-1".to_owned(), "0-0,1-1,3-3".to_owned()));
    }
}
