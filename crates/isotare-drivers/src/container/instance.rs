//! One container, seen from the session.

use super::broker::OWN;
use super::client::Created;
use super::environment::{SharedClient, lock};
use super::veth;
use super::wire::{Link, Order};
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{
    Cause, Deadline, DriverError, Footprint, Instance, InstanceContext, Interrupt, Member, Resource, Role,
};
use isotare_files::remove_tree;
use isotare_host::{accept, deadline_in, identify, listen, now, readable};
use rustix::process::{Signal, pidfd_send_signal};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// How long a killed container may take to be gone.
const DEATH: Duration = Duration::from_secs(5);

pub(super) struct ContainerInstance {
    id: String,
    client: SharedClient,
    broker: u32,
    listener: Option<UnixListener>,
    layers: PathBuf,
    console: PathBuf,
    hierarchies: Option<Hierarchies>,
    cgroup: String,
    /// Whether the cgroup serves the next instance too.
    keeps_group: bool,
    link: Option<Link>,
    created: Option<Created>,
    deleted: bool,
}

impl ContainerInstance {
    pub(super) fn create(
        order: Order,
        (hierarchies, cgroup): (Option<&Hierarchies>, &str),
        client: &SharedClient,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let listener = listen(&cx.control_socket())
            .map_err(|e| DriverError::failed("listen for agent of", cx.instance, e))?;
        lock(client).claim(&order.id)?;
        let mut instance = Self {
            id: order.id.clone(),
            client: client.clone(),
            broker: lock(client).pid(),
            listener: Some(listener),
            layers: order.layers.clone(),
            console: cx.work.join("console.log"),
            hierarchies: hierarchies.cloned(),
            cgroup: cgroup.to_owned(),
            keeps_group: order.keep_group,
            link: order.link.clone(),
            created: None,
            deleted: false,
        };
        match instance.make(order, cx) {
            Ok(()) => Ok(instance),
            Err(error) => {
                lock(client).abandon(&instance.id);
                // What could not be removed stays in the record of resources. The first error is reported.
                let _second = instance.remove_outside(&cx.deadline);
                Err(error)
            }
        }
    }

    fn make(&mut self, order: Order, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let record = |resource: Resource| {
            cx.ledger.record(&resource).map_err(|e| failed("record resource of", e.into()))
        };
        let console = File::create(&self.console).map_err(|e| failed("make console of", e.into()))?;
        let null = File::open("/dev/null").map_err(|e| failed("make console of", e.into()))?;
        let cgroup = match &self.hierarchies {
            Some(hierarchies) if self.keeps_group => Some(hierarchies.open(&self.cgroup)),
            Some(hierarchies) => {
                record(Resource::Cgroup { path: self.cgroup.clone() })?;
                let made = hierarchies.create(&self.cgroup, Some(cx.budget));
                Some(made.map_err(|e| failed("create cgroup of", e.into()))?)
            }
            None => None,
        };
        if let Some(link) = &self.link {
            record(Resource::Link { name: link.name.clone() })?;
        }
        let stdio = [null.as_fd(), console.as_fd(), console.as_fd()];
        let created = lock(&self.client).create(order, stdio, &cx.deadline)?;
        let pid = self.created.insert(created).pid;
        if let Some(process) = identify(pid) {
            record(Resource::Process(process))?;
        }
        if let Some(cgroup) = cgroup {
            join(&cgroup, pid).map_err(|e| failed("fill cgroup of", e.into()))?;
        }
        self.link.as_ref().map_or(Ok(()), |link| veth::configure(link, &cx.deadline))
    }

    fn created(&self, operation: &'static str) -> Result<&Created, DriverError> {
        self.created.as_ref().ok_or_else(|| DriverError::failed(operation, &self.id, "it was deleted"))
    }

    /// Ends the init process and with it every process inside; waits until they are gone.
    fn kill(&self) -> Result<(), DriverError> {
        let Some(created) = &self.created else { return Ok(()) };
        match pidfd_send_signal(&created.pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(DriverError::failed("kill container", &self.id, error)),
        }
        readable(created.pidfd.as_fd(), None, &deadline_in(DEATH, &Interrupt::default()))
            .map_err(|e| e.during("kill container", &self.id))
    }

    /// Removes what the broker would have removed, if it cannot do it any more. Its mounts have ended with
    /// it.
    fn remove_layers(&self) -> Result<(), DriverError> {
        // Overlayfs creates this folder without any permission, so only root can remove it.
        let _absent = fs::set_permissions(self.layers.join("overlay/work"), Permissions::from_mode(0o700));
        for layer in OWN.map(|name| self.layers.join(name)) {
            remove_tree(&layer).map_err(|e| DriverError::failed("remove", layer.display().to_string(), e))?;
        }
        Ok(())
    }

    /// Removes the parts that do not belong to the broker.
    fn remove_outside(&self, deadline: &Deadline) -> Result<(), DriverError> {
        // A group that stays is empty: when the first process of a pid namespace ends, the kernel kills the
        // others.
        if let Some(hierarchies) = self.hierarchies.as_ref().filter(|_| !self.keeps_group) {
            hierarchies
                .remove_tree(&self.cgroup)
                .map_err(|e| DriverError::failed("remove cgroup of", &self.id, e))?;
        }
        self.link.as_ref().map_or(Ok(()), |link| veth::remove(link, deadline))
    }
}

/// Moves a process into the groups that the runtime left out: all of them without root, and the version 2
/// group beside version 1. The others are left alone, because each move waits for the kernel.
fn join(cgroup: &Cgroup, pid: u32) -> io::Result<()> {
    let pid = pid.to_string();
    for file in cgroup.procs_files() {
        if !fs::read_to_string(&file)?.lines().any(|line| line == pid) {
            fs::write(&file, &pid)?;
        }
    }
    Ok(())
}

impl Instance for ContainerInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        lock(&self.client).start(&self.id, &cx.deadline)
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        let created = self.created("wait for agent of")?;
        let Some(listener) = &self.listener else {
            return Err(DriverError::failed("wait for agent of", cx.instance, "it has already connected"));
        };
        let stream = accept(listener, Some(created.pidfd.as_fd()), &cx.deadline)
            .map_err(|e| e.during("wait for agent of", cx.instance))?;
        self.listener = None;
        Ok(stream)
    }

    fn footprint(&self) -> Footprint {
        let members = self.created.as_ref().map(|created| {
            vec![Member::new(Role::Workload, created.pid), Member::shared(Role::Daemon, self.broker)]
        });
        Footprint {
            members: members.unwrap_or_default(),
            cgroup: self.hierarchies.as_ref().map(|_| self.cgroup.clone()),
        }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(created) = &self.created else { return Ok(()) };
        let patience = cx.until(now().plus(grace).min(cx.deadline.at)).deadline;
        if let Err(error) = readable(created.pidfd.as_fd(), None, &patience) {
            self.kill()?;
            return Err(error.during("stop", cx.instance));
        }
        lock(&self.client).reap(&self.id, &cx.deadline)
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if self.deleted {
            return Ok(());
        }
        let told = {
            let mut client = lock(&self.client);
            let told = client.delete(&self.id, &cx.deadline);
            match &told {
                Err(DriverError::Interrupted) => return told,
                // A broker that does not answer in time cannot serve the next trial either.
                Err(DriverError::TimedOut { .. }) => client.kill(),
                _ => {}
            }
            // When the broker died, its containers ended too. The rest can be removed here.
            if client.is_dead() && !matches!(told, Err(DriverError::TimedOut { .. })) { Ok(()) } else { told }
        };
        self.kill()?;
        self.created = None;
        self.remove_layers()?;
        self.remove_outside(&cx.deadline)?;
        self.deleted = true;
        told
    }

    fn diagnostics(&self) -> String {
        let console = isotare_files::log_tail(&self.console);
        match lock(&self.client).log() {
            log if log.is_empty() => console,
            log => format!("{console}\ncontainer broker:\n{log}"),
        }
    }
}
