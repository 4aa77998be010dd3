//! One container of a bundle, whichever runtime makes it.

use super::environment::BundleEnvironment;
use super::runtime::{Bundle, Runtime, Started};
use super::spec::{self, Container, Group, Privilege};
use crate::root::MountedRoot;
use isotare_cgroup::Hierarchies;
use isotare_core::{
    CONTROL_DIR, Cause, DriverError, Footprint, Instance, InstanceContext, Interrupt, Member, Resource, Role,
};
use isotare_files::remove_tree;
use isotare_host::{Child, accept, deadline_in, identify, listen, now, readable};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a killed container may take to be gone.
const DEATH: Duration = Duration::from_secs(5);

/// A bundle and what was made for it.
pub(super) struct BundleInstance {
    bundle: Bundle,
    runtime: Arc<dyn Runtime>,
    listener: Option<UnixListener>,
    stream: Option<UnixStream>,
    carrier: Option<Child>,
    root: Option<MountedRoot>,
    cgroup: Option<String>,
    first: Option<First>,
    deleted: bool,
}

/// The container's first process.
struct First {
    pid: u32,
    pidfd: OwnedFd,
}

impl BundleInstance {
    /// Mounts the root, makes the cgroup and has the runtime make the container.
    pub(super) fn create(
        environment: &BundleEnvironment,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let folder = environment.bundle(cx.instance);
        // If the folder exists, another container has this name, and nothing of it may be changed here.
        fs::create_dir(&folder).map_err(|e| DriverError::failed("create container", cx.instance, e))?;
        let mut instance = Self {
            bundle: Bundle { id: cx.instance.to_owned(), folder, log: cx.work.join("console.log") },
            runtime: Arc::clone(&environment.runtime),
            listener: None,
            stream: None,
            carrier: None,
            root: None,
            cgroup: None,
            first: None,
            deleted: false,
        };
        match instance.make(environment, cx) {
            Ok(()) => Ok(instance),
            Err(error) => {
                // What could not be removed stays in the record of resources. The first error is reported.
                let _second = instance.delete(cx);
                Err(error)
            }
        }
    }

    fn make(&mut self, environment: &BundleEnvironment, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let args = match environment.stdio {
            true => spec::agent_over_stdio(),
            false => {
                let listener =
                    listen(&cx.control_socket()).map_err(|e| failed("listen for agent of", e.into()))?;
                self.listener = Some(listener);
                spec::agent_command()
            }
        };
        let root = self.root.insert(MountedRoot::mount(&environment.tree, cx)?);
        cx.ledger
            .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
            .map_err(|e| failed("record cgroup of", e.into()))?;
        self.cgroup = Some(cx.cgroup.to_owned());
        environment
            .hierarchies
            .create(cx.cgroup, Some(cx.budget))
            .map_err(|e| failed("create cgroup of", e.into()))?;
        let group = Group::new(&environment.hierarchies, cx.cgroup, cx.budget);
        // gVisor has a network stack of its own, which takes over what the namespace has when it starts.
        let network = match (cx.network, self.runtime.takes_network()) {
            (Some(end), true) => Some(end.namespace(&cx.deadline)?),
            _ => None,
        };
        let specified = Container {
            id: cx.instance,
            rootfs: root.path(),
            args: &args,
            bind: (&cx.control(), Path::new(CONTROL_DIR)),
            group: Some(&group),
            privilege: Privilege::Root,
            own_network: environment.own_network,
            network: network.as_deref(),
            filtered: true,
        };
        let spec = spec::build(&specified).map_err(|e| failed("specify", e.into()))?;
        serde_json::to_vec(&spec)
            .map_err(std::io::Error::from)
            .and_then(|spec| fs::write(self.bundle.config(), spec))
            .map_err(|e| failed("write bundle of", e.into()))?;
        let pid = self.runtime.create(&self.bundle, cx)?;
        self.watch(pid, cx)
    }

    /// Opens a handle of the first process, if it is new.
    fn watch(&mut self, pid: Option<u32>, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(pid) = pid else { return Ok(()) };
        if let Some(process) = identify(pid) {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))?;
        }
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let opened = raw.ok_or(rustix::io::Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let pidfd = opened.map_err(|e| {
            DriverError::failed("watch", cx.instance, format!("{e}: {}", self.bundle.last_words()))
        })?;
        self.first = Some(First { pid, pidfd });
        Ok(())
    }

    /// Ends the first process and with it every process inside; waits until they are gone.
    fn kill(&self) -> Result<(), DriverError> {
        let Some(first) = &self.first else { return Ok(()) };
        match pidfd_send_signal(&first.pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(DriverError::failed("kill container", &self.bundle.id, error)),
        }
        readable(first.pidfd.as_fd(), None, &deadline_in(DEATH, &Interrupt::default()))
            .map_err(|e| e.during("kill container", &self.bundle.id))
    }
}

impl Instance for BundleInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Started { pid, stream, carrier } = self.runtime.start(&self.bundle, cx)?;
        (self.stream, self.carrier) = (stream, carrier);
        self.watch(pid, cx)
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        if let Some(stream) = self.stream.take() {
            return Ok(stream);
        }
        let (Some(listener), Some(first)) = (self.listener.take(), &self.first) else {
            return Err(DriverError::failed("wait for agent of", cx.instance, "it was not started"));
        };
        accept(&listener, Some(first.pidfd.as_fd()), &cx.deadline)
            .map_err(|e| e.during("wait for agent of", cx.instance))
    }

    fn footprint(&self) -> Footprint {
        let members = self.first.iter().flat_map(|first| {
            let workload = Member::new(Role::Workload, first.pid);
            std::iter::once(workload).chain(self.runtime.beside(&self.bundle, first.pid))
        });
        Footprint { members: members.collect(), cgroup: self.cgroup.clone() }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(first) = &self.first else { return Ok(()) };
        let patience = cx.until(now().plus(grace).min(cx.deadline.at)).deadline;
        readable(first.pidfd.as_fd(), None, &patience).or_else(|error| {
            self.kill()?;
            Err(error.during("stop", cx.instance))
        })
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if self.deleted {
            return Ok(());
        }
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        self.kill()?;
        // It notices the end too and cleans up. If it is killed during this, the runtime's state stays
        // incomplete.
        if let Some(mut carrier) = self.carrier.take() {
            let _killed_if_late = carrier.wait(&deadline_in(DEATH, &Interrupt::default()));
        }
        let told = match self.bundle.config().exists() {
            true => self.runtime.delete(&self.bundle, cx),
            false => Ok(()),
        };
        // Even if the runtime fails, everything that was created here is removed.
        if let Some(path) = &self.cgroup {
            Hierarchies::discover()
                .and_then(|hierarchies| hierarchies.remove_tree(path))
                .map_err(|e| failed("remove cgroup of", e.into()))?;
        }
        self.root.as_mut().map_or(Ok(()), MountedRoot::remove)?;
        remove_tree(&self.bundle.folder).map_err(|e| failed("remove bundle of", e.into()))?;
        told?;
        self.first = None;
        self.deleted = true;
        Ok(())
    }

    fn diagnostics(&self) -> String {
        isotare_files::log_tail(&self.bundle.log)
    }
}
