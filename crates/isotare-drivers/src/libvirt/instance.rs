//! One transient domain: its definition, its QEMU process, disk and cgroup.

use super::environment::{CONTROL_PORT, LibvirtEnvironment};
use super::virsh::Virsh;
use super::xml::{Ours, rewrite};
use crate::guest::{Logs, first_byte, qemu_process};
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{Cause, Deadline, DriverError, Footprint, Instance, InstanceContext, Resource};
use isotare_host::{WaitError, accept, now, peer_pid, readable};
use rustix::process::{Pid, PidfdFlags, geteuid, pidfd_open};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) struct LibvirtInstance {
    name: String,
    virsh: Virsh,
    definition: PathBuf,
    logs: Logs,
    files: Vec<PathBuf>,
    control: Option<UnixListener>,
    cgroup: Option<(String, Cgroup)>,
    /// Whether the daemon may know the domain.
    asked: bool,
    process: Option<Process>,
    stream: Option<UnixStream>,
}

/// QEMU, which is the daemon's child and not ours.
struct Process {
    pid: u32,
    pidfd: OwnedFd,
}

impl LibvirtInstance {
    pub(super) fn create(
        environment: &LibvirtEnvironment,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let (control, definition) = (cx.control_socket(), cx.run.join("domain.xml"));
        let listener = UnixListener::bind(&control).map_err(|e| failed("listen for agent of", e.into()))?;
        let log = daemon_log(&environment.virsh.uri, cx.instance);
        let logs = Logs { monitor: "QEMU", output: log.clone(), console: cx.work.join("console.log") };
        let disk = cx.work.join("data.disk");
        let ours = Ours {
            name: cx.instance,
            memory: environment.shape.memory,
            vcpus: environment.shape.vcpus,
            kernel: &environment.boot.kernel,
            initramfs: &environment.boot.initramfs,
            parameters: &environment.parameters,
            control: &control,
            port: CONTROL_PORT,
            console: &logs.console,
            disk: environment.boot.template.as_ref().map(|_| (disk.as_path(), environment.cache.as_str())),
            as_root: geteuid().is_root(),
        };
        let text =
            rewrite(&environment.definition, &ours).map_err(|e| failed("write definition of", e.into()))?;
        // Libvirt keeps the log of a domain that has ended.
        cx.ledger
            .record(&Resource::Path { path: log.clone() })
            .map_err(|e| failed("record log of", e.into()))?;
        let mut instance = Self {
            name: cx.instance.to_owned(),
            virsh: environment.virsh.clone(),
            definition: definition.clone(),
            logs,
            files: vec![control, definition, disk.clone(), log],
            control: Some(listener),
            cgroup: None,
            asked: false,
            process: None,
            stream: None,
        };
        match instance.prepare(environment, &text, &disk, cx) {
            Ok(()) => Ok(instance),
            Err(error) => {
                // What could not be removed stays in the record of resources. The first error is reported.
                let _second = instance.delete(cx);
                Err(error)
            }
        }
    }

    fn prepare(
        &mut self,
        environment: &LibvirtEnvironment,
        text: &str,
        disk: &Path,
        cx: &InstanceContext<'_>,
    ) -> Result<(), DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        fs::write(&self.definition, text).map_err(|e| failed("write definition of", e.into()))?;
        if let Some(template) = &environment.boot.template {
            template.instantiate(disk, &cx.deadline)?;
        }
        if let Ok(hierarchies) = &environment.hierarchies {
            cx.ledger
                .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
                .map_err(|e| failed("record cgroup of", e.into()))?;
            let cgroup = hierarchies
                .create(cx.cgroup, Some(&environment.limits(cx)))
                .map_err(|e| failed("create cgroup of", e.into()))?;
            self.cgroup = Some((cx.cgroup.to_owned(), cgroup));
        }
        Ok(())
    }

    /// The daemon creates the machine, but does not run it yet. QEMU has already connected to our socket, so
    /// its process is known. The process joins the cgroup before the guest runs and touches its memory.
    fn make(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        const START: &str = "start domain";
        let failed = |error: Cause| DriverError::failed(START, cx.instance, error);
        let listener = self.control.take().ok_or_else(|| failed("it has already been started".into()))?;
        let domain = format!("{}#{}", self.virsh.uri, self.name);
        let managed =
            Resource::Managed { driver: "libvirt".to_owned(), what: "domain".to_owned(), id: domain };
        cx.ledger.record(&managed).map_err(|e| failed(e.into()))?;
        self.asked = true;
        let definition = self.definition.display().to_string();
        self.virsh.run(&["create", "--paused", &definition], &cx.deadline)?;
        (cx.mark)("vmm.spawned");
        let stream = accept(&listener, None, &cx.deadline).map_err(|e| e.during(START, cx.instance))?;
        let pid = peer_pid(&stream).ok_or_else(|| failed("QEMU's process was not found".into()))?;
        let pidfd = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .map_err(|e| failed(e.into()))?;
        if let Some(process) = isotare_host::identify(pid) {
            cx.ledger.record(&Resource::Process(process)).map_err(|e| failed(e.into()))?;
        }
        if let Some((_, cgroup)) = &self.cgroup {
            cgroup.add(pid).map_err(|e| failed(e.into()))?;
        }
        self.stream = Some(stream);
        self.process = Some(Process { pid, pidfd });
        self.virsh.run(&["resume", &self.name], &cx.deadline)?;
        Ok(())
    }

    fn explain(&self, operation: &'static str, error: WaitError) -> DriverError {
        if !matches!(error, WaitError::Died) {
            return error.during(operation, &self.name);
        }
        let said = self.logs.panic().map_or_else(|| self.logs.summary(), |line| format!("the guest: {line}"));
        DriverError::failed(operation, &self.name, format!("QEMU ended; {said}"))
    }

    fn wait_for_end(&self, deadline: &Deadline) -> Result<(), WaitError> {
        match &self.process {
            Some(process) => readable(process.pidfd.as_fd(), None, deadline),
            None => Ok(()),
        }
    }
}

impl Instance for LibvirtInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.make(cx)
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const WAIT: &str = "wait for agent of";
        let (Some(stream), Some(process)) = (self.stream.take(), &self.process) else {
            return Err(DriverError::failed(WAIT, cx.instance, "it was not started"));
        };
        first_byte(&stream, process.pidfd.as_fd(), &cx.deadline)
            .map_err(|error| self.explain(WAIT, error))?;
        Ok(stream)
    }

    fn footprint(&self) -> Footprint {
        let member = self.process.as_ref().map(|process| qemu_process(process.pid));
        Footprint {
            members: member.into_iter().collect(),
            cgroup: self.cgroup.as_ref().map(|(path, _)| path.clone()),
        }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        match (self.wait_for_end(&cx.until(now().plus(grace)).deadline), self.logs.panic()) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(line)) => {
                Err(DriverError::failed("stop", cx.instance, format!("the guest: {line}")))
            }
            (Err(error), _) => {
                self.virsh.destroy(&self.name, &cx.deadline)?;
                Err(error.during("stop", cx.instance))
            }
        }
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        (self.control, self.stream) = (None, None);
        if self.asked {
            self.virsh.destroy(&self.name, &cx.deadline)?;
            self.wait_for_end(&cx.deadline).map_err(|e| e.during("end QEMU of", cx.instance))?;
            (self.asked, self.process) = (false, None);
        }
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

    fn diagnostics(&self) -> String {
        self.logs.text()
    }
}

/// Where the daemon keeps what QEMU writes: <https://libvirt.org/drvqemu.html>, "Driver security
/// architecture" and "Location of configuration files".
fn daemon_log(uri: &str, domain: &str) -> PathBuf {
    let own = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
        Some(cache?.join("libvirt/qemu/log"))
    };
    let session = (uri.contains("/session") && !geteuid().is_root()).then(own).flatten();
    session.unwrap_or_else(|| "/var/log/libvirt/qemu".into()).join(format!("{domain}.log"))
}
