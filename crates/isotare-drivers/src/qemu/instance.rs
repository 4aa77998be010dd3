//! One machine: its QEMU process and monitor, from start to end.

use super::command::{Places, arguments, kernel_parameters};
use super::confinement::User;
use super::environment::QemuEnvironment;
use super::network::{Network, USER_ADDRESS};
use super::parts::{Parts, remove_file};
use super::qmp::{Monitor, MonitorError};
use super::share::Share;
use super::spec::Accelerator;
use super::tap::Tap;
use crate::guest::{Logs, first_byte, qemu_process};
use isotare_core::{Cause, Deadline, DriverError, Footprint, Instance, InstanceContext, Resource};
use isotare_host::{Child, Spawn, WaitError, accept, deadline_in, identify, now, readable};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// An address for the network device of a machine on a segment, where each machine needs another: the last
/// three bytes are those of its IP address.
fn mac_of(address: Ipv4Addr) -> String {
    let [_, net, subnet, index] = address.octets();
    format!("52:54:00:{net:02x}:{subnet:02x}:{index:02x}")
}

/// How long QEMU's process may outlive its sockets.
const DEATH: Duration = Duration::from_secs(2);

pub(super) struct QemuInstance {
    name: String,
    spawn: Spawn,
    logs: Logs,
    accelerator: Accelerator,
    sockets: [PathBuf; 2],
    control: Option<UnixListener>,
    monitor_socket: Option<UnixListener>,
    parts: Parts,
    child: Option<Child>,
    monitor: Option<Monitor>,
}

impl QemuInstance {
    pub(super) fn create(
        environment: &QemuEnvironment,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let (control, monitor) = (cx.control_socket(), cx.run.join("qmp.sock"));
        let control_listener =
            UnixListener::bind(&control).map_err(|e| failed("listen for agent of", e.into()))?;
        let monitor_listener =
            UnixListener::bind(&monitor).map_err(|e| failed("listen for QEMU of", e.into()))?;
        let logs =
            Logs { monitor: "QEMU", output: cx.work.join("qemu.log"), console: cx.work.join("console.log") };
        let parts = Parts::make(environment, cx)?;
        let spec = &environment.spec_of(cx);
        // A network of its own goes before the segment.
        let end = cx.network.filter(|_| spec.network == Some(Network::SEGMENT));
        let tap = end.map(|end| end.tap(&cx.deadline)).transpose()?;
        let mac = end.map(|end| mac_of(end.address()));
        let places = Places {
            mac: mac.as_deref(),
            kernel: &environment.kernel,
            initramfs: &environment.initramfs,
            disks: &parts.disks,
            share: parts.share.as_ref().map_or(cx.run, Share::place),
            tap: parts
                .tap
                .as_ref()
                .map(|own| &own.name)
                .or(tap.as_ref().map(|(name, _)| name))
                .map_or("", |name| name),
            control: &control,
            monitor: &monitor,
            console: &logs.console,
        };
        let own_address = parts
            .tap
            .as_ref()
            .map(Tap::address)
            .or_else(|| end.map(|end| format!("{}/{},{}", end.address(), end.prefix(), end.host())));
        let address = own_address.as_deref().or(spec.network.map(|_| USER_ADDRESS));
        let parameters = kernel_parameters(spec, environment.tsc_khz, address);
        let mut spawn = Spawn::new(&environment.program)
            .args(arguments(spec, &parameters, &places))
            .args(spec.confinement.options(cx.instance, &environment.version))
            .in_cgroups(parts.procs_files())
            .output_to(&logs.output);
        if let Some((_, namespace)) = &tap {
            spawn = spawn.in_network(namespace);
        }
        if spec.confinement.user == User::Own {
            spawn = spawn.changes_user();
        }
        Ok(Self {
            name: cx.instance.to_owned(),
            spawn,
            logs,
            accelerator: spec.accelerator,
            sockets: [control, monitor],
            control: Some(control_listener),
            monitor_socket: Some(monitor_listener),
            parts,
            child: None,
            monitor: None,
        })
    }

    /// Connects to the monitor and sends the necessary requests.
    fn connect(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let not_started = || DriverError::failed("connect to QEMU of", cx.instance, "it was not started");
        let child = self.child.as_ref().ok_or_else(not_started)?;
        let listener = self.monitor_socket.take().ok_or_else(not_started)?;
        let stream = accept(&listener, Some(child.pidfd()), &cx.deadline);
        let stream = stream.map_err(|error| self.explain("connect to QEMU of", error))?;
        readable(stream.as_fd(), None, &cx.deadline)
            .map_err(|e| e.during("connect to QEMU of", cx.instance))?;
        match self.question(stream, &cx.deadline) {
            Ok(true) => Ok(()),
            Ok(false) => Err(DriverError::failed(
                "start",
                cx.instance,
                "accel=kvm was requested, but QEMU does not use KVM",
            )),
            Err(MonitorError::Silent(error)) if is_end(&error) => {
                Err(self.explain("connect to QEMU of", WaitError::Died))
            }
            Err(MonitorError::Silent(error)) if is_late(&error) => {
                Err(WaitError::TimedOut.during("connect to QEMU of", cx.instance))
            }
            Err(error) => Err(DriverError::failed("start", cx.instance, error)),
        }
    }

    /// Whether the accelerator is the one asked for.
    fn question(&mut self, stream: UnixStream, deadline: &Deadline) -> Result<bool, MonitorError> {
        let monitor = self.monitor.insert(Monitor::connect(stream, deadline)?);
        Ok(monitor.uses_kvm()? == (self.accelerator == Accelerator::Kvm))
    }

    /// The error of a wait, with QEMU's exit status and last output if it died.
    fn explain(&mut self, operation: &'static str, error: WaitError) -> DriverError {
        if !matches!(error, WaitError::Died) {
            return error.during(operation, &self.name);
        }
        // QEMU closes its sockets a moment before it ends.
        let moment = deadline_in(DEATH, &isotare_core::Interrupt::default());
        let status = self.child.as_mut().map(|child| child.wait(&moment));
        let ended = match status {
            Some(Ok(status)) => format!("QEMU ended ({status})"),
            _ => "QEMU closed the connection".to_owned(),
        };
        let said = self.logs.panic().map_or_else(|| self.logs.summary(), |line| format!("the guest: {line}"));
        DriverError::failed(operation, &self.name, format!("{ended}; {said}"))
    }
}

impl Instance for QemuInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if let Some(share) = &mut self.parts.share {
            let files = self.parts.cgroup.as_ref().map(|(_, cgroup)| cgroup.procs_files());
            share.start(files.unwrap_or_default(), cx)?;
        }
        let child = self.spawn.start().map_err(|e| DriverError::failed("start", self.spawn.line(), e))?;
        let process = identify(child.pid());
        self.child = Some(child);
        if let Some(process) = process {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))?;
        }
        (cx.mark)("vmm.spawned");
        self.connect(cx)?;
        (cx.mark)("qmp.connected");
        Ok(())
    }

    /// QEMU itself connects to the agent's socket when it starts, so only data on the connection shows that
    /// the agent is running.
    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const WAIT: &str = "wait for agent of";
        let (Some(listener), Some(child)) = (self.control.take(), &self.child) else {
            return Err(DriverError::failed(WAIT, cx.instance, "it was not started"));
        };
        let waited = accept(&listener, Some(child.pidfd()), &cx.deadline).and_then(|stream| {
            first_byte(&stream, child.pidfd(), &cx.deadline)?;
            Ok(stream)
        });
        waited.map_err(|error| self.explain(WAIT, error))
    }

    fn footprint(&self) -> Footprint {
        let member = self.child.as_ref().map(|child| qemu_process(child.pid()));
        Footprint {
            members: member.into_iter().chain(self.parts.share.as_ref().and_then(Share::member)).collect(),
            cgroup: self.parts.cgroup.as_ref().map(|(path, _)| path.clone()),
        }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.wait(&cx.until(now().plus(grace)).deadline) {
            // If the guest panics, QEMU ends in the same way as after a power-off.
            Ok(status) if status.success() => match self.logs.panic() {
                None => Ok(()),
                Some(line) => Err(DriverError::failed("stop", cx.instance, format!("the guest: {line}"))),
            },
            Ok(status) => {
                let cause = format!("QEMU ended ({status}); {}", self.logs.summary());
                Err(DriverError::failed("stop", cx.instance, cause))
            }
            Err(error) => {
                child.kill().map_err(|e| DriverError::failed("kill QEMU of", cx.instance, e))?;
                Err(error.during("stop", cx.instance))
            }
        }
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.monitor = None;
        if let Some(child) = &mut self.child {
            child.kill().map_err(|e| DriverError::failed("kill QEMU of", cx.instance, e))?;
        }
        self.child = None;
        (self.control, self.monitor_socket) = (None, None);
        self.parts.remove(cx)?;
        self.sockets.iter().try_for_each(|path| remove_file(path))
    }

    fn diagnostics(&self) -> String {
        self.logs.text() + &self.parts.share.as_ref().map(Share::said).unwrap_or_default()
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
