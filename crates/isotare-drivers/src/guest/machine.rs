//! One machine whose monitor is a process of ours: process, agent's listener, disk and cgroup.

use super::{Logs, Template};
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{
    Budget, Cause, Deadline, DriverError, Footprint, InstanceContext, Interrupt, Member, Resource, Role,
};
use isotare_host::{Child, Spawn, WaitError, accept, deadline_in, identify, now, readable};
use rustix::net::{RecvFlags, recv};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// How long a monitor's process may outlive its sockets.
const DEATH: Duration = Duration::from_secs(2);

/// The parts of a machine.
pub(crate) struct Parts<'a> {
    /// The monitor's command line.
    pub(crate) spawn: Spawn,
    pub(crate) logs: Logs,
    /// Where the agent's connection arrives.
    pub(crate) control: PathBuf,
    /// Files that the monitor makes.
    pub(crate) files: Vec<PathBuf>,
    /// The data disk, made from the template.
    pub(crate) disk: Option<(&'a Template, PathBuf)>,
    /// The limits of the cgroup, if there are cgroups.
    pub(crate) limits: Option<(&'a Hierarchies, Budget)>,
}

/// The machine, from its creation on.
pub(crate) struct Machine {
    instance: String,
    spawn: Spawn,
    logs: Logs,
    files: Vec<PathBuf>,
    control: Option<UnixListener>,
    cgroup: Option<(String, Cgroup)>,
    child: Option<Child>,
}

impl Machine {
    /// Listens for the agent, and makes disk and cgroup.
    pub(crate) fn create(parts: Parts<'_>, cx: &InstanceContext<'_>) -> Result<Self, DriverError> {
        let listener = UnixListener::bind(&parts.control)
            .map_err(|e| DriverError::failed("listen for agent of", cx.instance, e))?;
        let (template, disk) = parts.disk.unzip();
        let mut machine = Self {
            instance: cx.instance.to_owned(),
            spawn: parts.spawn.output_to(&parts.logs.output),
            logs: parts.logs,
            files: parts.files.into_iter().chain([parts.control]).chain(disk.clone()).collect(),
            control: Some(listener),
            cgroup: None,
            child: None,
        };
        let mut made = Ok(());
        if let (Some(template), Some(disk)) = (template, disk) {
            made = template.instantiate(&disk, &cx.deadline);
        }
        if let Some((hierarchies, limits)) = parts.limits {
            made = made.and_then(|()| machine.confine(hierarchies, &limits, cx));
        }
        if let Err(error) = made {
            // What could not be removed stays in the record of resources. The first error is reported.
            let _second = machine.delete(cx);
            return Err(error);
        }
        Ok(machine)
    }

    fn confine(
        &mut self,
        hierarchies: &Hierarchies,
        limits: &Budget,
        cx: &InstanceContext<'_>,
    ) -> Result<(), DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        cx.ledger
            .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
            .map_err(|e| failed("record cgroup of", e.into()))?;
        let cgroup =
            hierarchies.create(cx.cgroup, Some(limits)).map_err(|e| failed("create cgroup of", e.into()))?;
        let spawn = std::mem::replace(&mut self.spawn, Spawn::new(""));
        self.spawn = spawn.in_cgroups(cgroup.joining_files());
        self.cgroup = Some((cx.cgroup.to_owned(), cgroup));
        Ok(())
    }

    /// Starts the monitor.
    pub(crate) fn start(&mut self, cx: &InstanceContext<'_>) -> Result<&Child, DriverError> {
        let child = self.spawn.start().map_err(|e| DriverError::failed("start", self.spawn.line(), e))?;
        let process = identify(child.pid());
        let child = self.child.insert(child);
        if let Some(process) = process {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))?;
        }
        (cx.mark)("vmm.spawned");
        Ok(child)
    }

    /// Waits for the agent's connection.
    pub(crate) fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const WAIT: &str = "wait for agent of";
        let (Some(listener), Some(child)) = (self.control.take(), &self.child) else {
            return Err(DriverError::failed(WAIT, cx.instance, "it was not started"));
        };
        accept(&listener, Some(child.pidfd()), &cx.deadline).map_err(|error| self.explain(WAIT, error))
    }

    /// The error of a wait, with the monitor's exit status and last output if it died.
    pub(crate) fn explain(&mut self, operation: &'static str, error: WaitError) -> DriverError {
        if !matches!(error, WaitError::Died) {
            return error.during(operation, &self.instance);
        }
        // A monitor closes its sockets a moment before it ends.
        let moment = deadline_in(DEATH, &Interrupt::default());
        let monitor = self.logs.monitor;
        let ended = match self.child.as_mut().map(|child| child.wait(&moment)) {
            Some(Ok(status)) => format!("{monitor} ended ({status})"),
            _ => format!("{monitor} closed the connection"),
        };
        let said = self.logs.panic().map_or_else(|| self.logs.summary(), |line| format!("the guest: {line}"));
        DriverError::failed(operation, &self.instance, format!("{ended}; {said}"))
    }

    /// Of a monitor with threads of these names.
    pub(crate) fn footprint(&self, threads: &'static [(&'static str, Role)]) -> Footprint {
        let member =
            self.child.as_ref().map(|child| Member { threads, ..Member::new(Role::Vmm, child.pid()) });
        Footprint {
            members: member.into_iter().collect(),
            cgroup: self.cgroup.as_ref().map(|(path, _)| path.clone()),
        }
    }

    pub(crate) fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let failed = |cause: String| Err(DriverError::failed("stop", cx.instance, cause));
        match child.wait(&cx.until(now().plus(grace)).deadline) {
            // If the guest panics, its monitor ends in the same way as after a power-off.
            Ok(status) if status.success() => match self.logs.panic() {
                None => Ok(()),
                Some(line) => failed(format!("the guest: {line}")),
            },
            Ok(status) => failed(format!("{} ended ({status}); {}", self.logs.monitor, self.logs.summary())),
            Err(error) => {
                child.kill().map_err(|e| DriverError::failed("kill monitor of", cx.instance, e))?;
                Err(error.during("stop", cx.instance))
            }
        }
    }

    pub(crate) fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if let Some(child) = &mut self.child {
            child.kill().map_err(|e| DriverError::failed("kill monitor of", cx.instance, e))?;
        }
        (self.child, self.control) = (None, None);
        if let Some((path, _)) = &self.cgroup {
            Hierarchies::discover()
                .and_then(|hierarchies| hierarchies.remove_tree(path))
                .map_err(|e| DriverError::failed("remove cgroup of", cx.instance, e))?;
            self.cgroup = None;
        }
        for path in &self.files {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DriverError::failed("remove", path.display().to_string(), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn diagnostics(&self) -> String {
        self.logs.text()
    }
}

/// Waits for what the agent writes first, on a connection that its machine's monitor made before the guest
/// ran.
pub(crate) fn first_byte(
    stream: &UnixStream,
    monitor: BorrowedFd<'_>,
    deadline: &Deadline,
) -> Result<(), WaitError> {
    readable(stream.as_fd(), Some(monitor), deadline)?;
    let (got, _) = recv(stream, &mut [0_u8], RecvFlags::PEEK | RecvFlags::DONTWAIT)
        .map_err(|error| WaitError::Io(error.into()))?;
    if got == 0 { Err(WaitError::Died) } else { Ok(()) }
}
