//! One system container.

use super::client::{CallError, Client};
use super::removal::{halt, instance, remove, remove_instance};
use crate::docker::processes::{Init, parent, peer};
use crate::lxc::groups_of;
use hyper::Method;
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Deadline, DriverError, Footprint, Instance, InstanceContext, Interrupt, Member, Role, Timestamp,
    with_sources,
};
use isotare_host::{WaitError, accept, deadline_in, now, peer_pid, readable};
use std::cell::OnceCell;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

/// Time in which an agent usually connects. Isotare watches the process only if the agent is slower, because
/// asking the daemon for the process takes longer than most agents need to connect.
const USUAL: Duration = Duration::from_millis(20);
/// Longest time for requests that are not part of a phase, and for a kill after the grace time.
const ASIDE: Duration = Duration::from_secs(5);

pub(super) struct IncusInstance {
    client: Arc<Client>,
    name: String,
    listener: Option<UnixListener>,
    hierarchies: Hierarchies,
    cgroup: String,
    init: OnceCell<Init>,
    /// liblxc's monitor process of the container.
    monitor: OnceCell<Init>,
    /// Whether the daemon has finished with it.
    halted: bool,
    deleted: bool,
}

impl IncusInstance {
    pub(super) fn new(
        client: Arc<Client>,
        name: String,
        listener: UnixListener,
        hierarchies: Hierarchies,
        cgroup: &str,
    ) -> Self {
        Self {
            client,
            name,
            listener: Some(listener),
            hierarchies,
            cgroup: cgroup.to_owned(),
            init: OnceCell::new(),
            monitor: OnceCell::new(),
            halted: true,
            deleted: false,
        }
    }

    /// The container's first process; `None` if it does not exist yet.
    fn init(&self, deadline: &Deadline) -> Result<Option<&Init>, CallError> {
        if self.init.get().is_none() {
            let state = self.client.get(&format!("{}/state", instance(&self.name)), deadline)?;
            let pid = state["metadata"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            self.adopt(pid);
        }
        Ok(self.init.get())
    }

    /// Opens handles of the first process and of liblxc's monitor, which is its parent.
    fn adopt(&self, init: Option<u32>) {
        let leaf = self.cgroup.rsplit('/').next().unwrap_or(&self.cgroup);
        let open = |pid: Option<u32>| pid.filter(|&pid| pid > 1).and_then(|pid| Init::open(pid, leaf));
        if let Some(init) = open(init) {
            if let Some(monitor) = open(parent(init.pid)) {
                self.monitor.get_or_init(|| monitor);
            }
            self.init.get_or_init(|| init);
        }
    }

    /// Waits for its end, and until the daemon has finished with it.
    fn wait_for_end(&mut self, deadline: &Deadline) -> Result<(), CallError> {
        // Before the monitor ends, it informs the daemon. The daemon then lets requests for a stop wait.
        if let Some(process) = self.monitor.get().or(self.init.get()) {
            readable(process.pidfd.as_fd(), None, deadline)?;
        }
        self.halt(deadline)
    }

    fn halt(&mut self, deadline: &Deadline) -> Result<(), CallError> {
        halt(&self.client, &self.name, deadline)?;
        self.halted = true;
        Ok(())
    }
}

impl Instance for IncusInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.halted = false;
        let path = format!("{}/state", instance(&self.name));
        let order = serde_json::json!({"action": "start", "timeout": -1});
        self.client
            .act(Method::PUT, &path, Some(&order), &cx.deadline)
            .map(drop)
            .map_err(|error| error.during("start instance", &self.name))
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const OPERATION: &str = "wait for agent of";
        let listener = self.listener.take().ok_or_else(|| {
            DriverError::failed(OPERATION, &self.name, "its connection was already waited for")
        })?;
        let accepted = match accept(&listener, None, &sooner(cx, now().plus(USUAL))) {
            Err(WaitError::TimedOut) => {
                let init = self.init(&cx.deadline).map_err(|error| error.during(OPERATION, &self.name))?;
                match init {
                    Some(init) => accept(&listener, Some(init.pidfd.as_fd()), &cx.deadline),
                    None => Err(WaitError::Died),
                }
            }
            other => other,
        };
        let stream = accepted.map_err(|error| error.during(OPERATION, &self.name))?;
        // The agent is the first process.
        self.adopt(peer_pid(&stream));
        Ok(stream)
    }

    fn footprint(&self) -> Footprint {
        let deadline = deadline_in(ASIDE, &Interrupt::default());
        let Ok(Some(init)) = self.init(&deadline) else { return Footprint::default() };
        let daemon = peer(&self.client.socket).filter(|&pid| pid > 1);
        let members = [
            Some(Member::new(Role::Workload, init.pid)),
            self.monitor.get().map(|monitor| Member::new(Role::Shim, monitor.pid)),
            daemon.map(|pid| Member::shared(Role::Daemon, pid)),
        ];
        Footprint { members: members.into_iter().flatten().collect(), cgroup: Some(self.cgroup.clone()) }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.wait_for_end(&sooner(cx, now().plus(grace))).map_err(|error| {
            if matches!(error, CallError::TimedOut)
                && let Err(unkillable) = self.halt(&deadline_in(ASIDE, &Interrupt::default()))
            {
                return unkillable.during("kill instance", &self.name);
            }
            error.during("stop instance", &self.name)
        })
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if self.deleted {
            return Ok(());
        }
        let removed = match self.halted {
            true => remove(&self.client, &instance(&self.name), &cx.deadline),
            false => remove_instance(&self.client, &self.name, &cx.deadline),
        };
        match removed {
            Ok(_) => {
                // Removed with it, unless its monitor was killed.
                for path in groups_of(&self.cgroup) {
                    self.hierarchies
                        .remove_tree(&path)
                        .map_err(|e| DriverError::failed("remove cgroup of", &self.name, e))?;
                }
                self.deleted = true;
                Ok(())
            }
            Err(error) => {
                // Its monitor keeps it alive without a daemon.
                self.init.get().inspect(|init| init.kill());
                Err(error.during("delete instance", &self.name))
            }
        }
    }

    fn diagnostics(&self) -> String {
        let deadline = deadline_in(ASIDE, &Interrupt::default());
        match self.client.get(&format!("{}/state", instance(&self.name)), &deadline) {
            Ok(state) => format!("instance {}: {}", self.name, state["metadata"]["status"]),
            Err(error) => with_sources(&error.during("look at instance", &self.name)),
        }
    }
}

/// The phase's deadline, or `at` if that is sooner.
fn sooner(cx: &InstanceContext<'_>, at: Timestamp) -> Deadline {
    cx.until(at.min(cx.deadline.at)).deadline
}
