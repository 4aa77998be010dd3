//! Instances that are a program of the host run in the foreground: the agent itself, or a launcher around it.

use crate::root::MountedRoot;
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{
    Cause, DriverError, Footprint, Instance, InstanceContext, Member, PrepareContext, Resource, Role,
    with_sources,
};
use isotare_host::{Child, Spawn, Swept, accept, listen, now, peer_pid, sweep};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// One such program, in a cgroup of its own that everything it starts inherits.
pub(crate) struct Spawned {
    listener: Option<UnixListener>,
    spawn: Spawn,
    log: PathBuf,
    cgroup: Option<(Hierarchies, String)>,
    root: Option<MountedRoot>,
    child: Option<Child>,
    /// The agent, once it has connected.
    agent: Option<u32>,
    /// Things that the program leaves on the host if it is killed.
    leftovers: Vec<Resource>,
}

/// The hierarchies if groups with a budget can be created in them, otherwise the reason why not.
pub(crate) fn usable_cgroups() -> Result<Hierarchies, String> {
    let hierarchies = Hierarchies::discover().map_err(|error| with_sources(&error))?;
    hierarchies.writable("isotare").map_err(|unavailable| unavailable.to_string())?;
    Ok(hierarchies)
}

/// The session's group, for runtimes that create the groups of their instances themselves and expect it to
/// exist.
pub(crate) fn session_group(
    hierarchies: &Hierarchies,
    cx: &PrepareContext<'_>,
) -> Result<Cgroup, DriverError> {
    let failed = |what, error: Cause| DriverError::failed(what, cx.session, error);
    let path = format!("isotare/{}", cx.session);
    cx.ledger
        .record(&Resource::Cgroup { path: path.clone() })
        .map_err(|e| failed("record cgroup of", e.into()))?;
    hierarchies.create(&path, None).map_err(|e| failed("create cgroup of", e.into()))
}

/// The fact that says whether the budget is enforced, and why not.
pub(crate) fn budget_fact(hierarchies: &Result<Hierarchies, String>) -> (String, String) {
    let enforced = hierarchies.as_ref().map_or_else(|why| format!("none: {why}"), |_| "cgroup".to_owned());
    ("budget.enforced".to_owned(), enforced)
}

impl Spawned {
    /// Listens for the agent and makes the cgroup. `spawn` is the program with its arguments. Its working
    /// directory and its output are set here. `root` is unmounted with the instance.
    pub(crate) fn create(
        spawn: Spawn,
        root: Option<MountedRoot>,
        hierarchies: Option<&Hierarchies>,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let listener = listen(&cx.control_socket()).map_err(|e| failed("listen for agent of", e.into()))?;
        let log = cx.work.join("agent.log");
        let mut spawn = spawn.output_to(&log);
        if let Some(hierarchies) = hierarchies {
            cx.ledger
                .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
                .map_err(|e| failed("record cgroup of", e.into()))?;
            let cgroup = hierarchies
                .create(cx.cgroup, Some(cx.budget))
                .map_err(|e| failed("create cgroup of", e.into()))?;
            spawn = spawn.in_cgroups(cgroup.joining_files());
        }
        let cgroup = hierarchies.map(|hierarchies| (hierarchies.clone(), cx.cgroup.to_owned()));
        Ok(Self {
            listener: Some(listener),
            spawn,
            log,
            cgroup,
            root,
            child: None,
            agent: None,
            leftovers: Vec::new(),
        })
    }

    /// Shows the agent's socket in the mounted root, for programs that do not do so themselves.
    pub(crate) fn showing_socket(self, cx: &InstanceContext<'_>) -> Result<Self, DriverError> {
        self.root.as_ref().map_or(Ok(()), |root| root.show_socket(&cx.control()))?;
        Ok(self)
    }

    /// Also removes this when the instance is deleted: something that the program creates on the host besides
    /// its processes.
    pub(crate) fn leaving(
        mut self,
        resource: Resource,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        cx.ledger.record(&resource).map_err(|e| DriverError::failed("record resource of", cx.instance, e))?;
        self.leftovers.push(resource);
        Ok(self)
    }
}

impl Instance for Spawned {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let child = self.spawn.start().map_err(|e| DriverError::failed("start", self.spawn.line(), e))?;
        if let Some(process) = isotare_host::identify(child.pid()) {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))?;
        }
        self.child = Some(child);
        Ok(())
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        let (Some(listener), Some(child)) = (self.listener.take(), &self.child) else {
            return Err(DriverError::failed("wait for agent of", cx.instance, "it was not started"));
        };
        let stream = accept(&listener, Some(child.pidfd()), &cx.deadline)
            .map_err(|e| e.during("wait for agent of", cx.instance))?;
        self.agent = peer_pid(&stream);
        Ok(stream)
    }

    fn footprint(&self) -> Footprint {
        let child = self.child.as_ref().map(Child::pid);
        let launcher = child.filter(|_| self.agent.is_some() && self.agent != child);
        let workload = self.agent.or(child).map(|pid| Member::new(Role::Workload, pid));
        Footprint {
            members: workload.into_iter().chain(launcher.map(|pid| Member::new(Role::Shim, pid))).collect(),
            cgroup: self.cgroup.as_ref().map(|(_, path)| path.clone()),
        }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.wait(&cx.until(now().plus(grace)).deadline) {
            Ok(_) => Ok(()),
            Err(error) => {
                child.kill().map_err(|e| DriverError::failed("kill agent of", cx.instance, e))?;
                if let Some(process) = self.agent.and_then(isotare_host::identify) {
                    // If it was started by a launcher, it can outlive the launcher.
                    let _gone = isotare_host::sweep(&Resource::Process(process), &cx.deadline);
                }
                Err(error.during("stop", cx.instance))
            }
        }
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.child = None;
        if let Some((hierarchies, path)) = &self.cgroup {
            hierarchies
                .remove_tree(path)
                .map_err(|e| DriverError::failed("remove cgroup of", cx.instance, e))?;
            self.cgroup = None;
        }
        while let Some(resource) = self.leftovers.last() {
            if let Swept::Failed(why) = sweep(resource, &cx.deadline) {
                return Err(DriverError::failed("remove what is left of", cx.instance, why));
            }
            self.leftovers.pop();
        }
        self.root.as_mut().map_or(Ok(()), MountedRoot::remove)
    }

    fn diagnostics(&self) -> String {
        isotare_files::log_tail(&self.log)
    }
}
