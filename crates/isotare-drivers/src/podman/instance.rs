//! One container.

use super::store::Store;
use super::user::{self, User};
use isotare_cgroup::Hierarchies;
use isotare_core::{DriverError, Footprint, Instance, InstanceContext, Member, Resource, Role};
use isotare_files::remove_tree;
use isotare_host::{WaitError, accept, identify, now, readable, sweep};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The parts of a container on the host.
pub(super) struct Parts {
    pub(super) store: Arc<Store>,
    pub(super) name: String,
    /// Shown to it as its control folder; Podman writes process numbers there.
    pub(super) folder: PathBuf,
    /// Podman's log.
    pub(super) log: PathBuf,
    /// The cgroup that holds the container's or is it.
    pub(super) cgroup: Option<String>,
    /// The cgroup to join before it is started, if Podman does not create one.
    pub(super) joining: Vec<PathBuf>,
    pub(super) listener: UnixListener,
}

pub(super) struct PodmanInstance {
    parts: Parts,
    init: Option<Process>,
    conmon: Option<Process>,
    deleted: bool,
}

/// A process that another program started.
struct Process {
    pid: u32,
    fd: OwnedFd,
}

impl Process {
    /// From the file with its number; `None` if it has ended, or if it belongs to another user than the one
    /// who runs Podman.
    fn read(path: &std::path::Path, user: Option<User>) -> Option<Self> {
        let pid = user::own_pid(path, user)?;
        let fd = pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()?;
        Some(Self { pid, fd })
    }
}

impl PodmanInstance {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, init: None, conmon: None, deleted: false }
    }

    fn podman(
        &self,
        words: &[&str],
        operation: &'static str,
        joining: &[PathBuf],
        cx: &InstanceContext<'_>,
    ) -> Result<(), DriverError> {
        let Parts { store, name, log, .. } = &self.parts;
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).chain([name.clone()]).collect();
        let mut spawn = store.command(&words, log)?;
        if !joining.is_empty() {
            spawn = spawn.in_cgroups(joining.to_vec());
        }
        store.run(&spawn, operation, name, log, &cx.deadline)
    }
}

impl Instance for PodmanInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let started = self.podman(&["start"], "start container", &self.parts.joining, cx);
        let read = |name: &str| Process::read(&self.parts.folder.join(name), self.parts.store.options.user);
        (self.init, self.conmon) = (read("init.pid"), read("conmon.pid"));
        if self.parts.cgroup.is_none() {
            for process in
                [&self.init, &self.conmon].into_iter().flatten().filter_map(|process| identify(process.pid))
            {
                cx.ledger
                    .record(&Resource::Process(process))
                    .map_err(|error| DriverError::failed("record process of", cx.instance, error))?;
            }
        }
        started
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const OPERATION: &str = "wait for agent of";
        let Some(init) = &self.init else { return Err(WaitError::Died.during(OPERATION, cx.instance)) };
        accept(&self.parts.listener, Some(init.fd.as_fd()), &cx.deadline)
            .map_err(|error| error.during(OPERATION, cx.instance))
    }

    fn footprint(&self) -> Footprint {
        let init = self.init.iter().map(|process| Member::new(Role::Workload, process.pid));
        let conmon = self.conmon.iter().map(|process| Member::new(Role::Shim, process.pid));
        Footprint { members: init.chain(conmon).collect(), cgroup: self.parts.cgroup.clone() }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        // conmon ends after it has cleaned up the container.
        let Some(conmon) = &self.conmon else { return Ok(()) };
        let until = cx.until(now().plus(grace).min(cx.deadline.at)).deadline;
        readable(conmon.fd.as_fd(), None, &until).map_err(|error| {
            if let Some(process) = self.init.as_ref().and_then(|init| identify(init.pid)) {
                // Left to `delete` where it does not work.
                let _again = sweep(&Resource::Process(process), &cx.deadline);
            }
            error.during("stop container", cx.instance)
        })
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if self.deleted {
            return Ok(());
        }
        let remove =
            || self.podman(&["rm", "--force", "--ignore", "--time", "0"], "remove container", &[], cx);
        let mut removed = remove();
        if let Some(path) = &self.parts.cgroup {
            // conmon's group still exists, and everything that Podman could not end.
            Hierarchies::discover()
                .and_then(|hierarchies| hierarchies.remove_tree(path))
                .map_err(|error| DriverError::failed("remove cgroup of", cx.instance, error))?;
        }
        if removed.is_err() {
            // Without conmon, Podman was not informed about the end and waited without success. Now it knows.
            removed = remove();
        }
        removed?;
        if self.parts.folder != cx.run {
            remove_tree(&self.parts.folder).map_err(|error| {
                DriverError::failed("remove", self.parts.folder.display().to_string(), error)
            })?;
        }
        self.deleted = true;
        Ok(())
    }

    fn diagnostics(&self) -> String {
        isotare_files::log_tail(&self.parts.log)
    }
}
