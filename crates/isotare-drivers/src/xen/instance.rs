//! One guest domain: its configuration, its console, its end.

use super::config::{Config, GuestType};
use super::environment::XenEnvironment;
use super::line::Line;
use super::xl::Xl;
use crate::guest::Logs;
use isotare_core::{Cause, DriverError, Footprint, Instance, InstanceContext, Member, Resource, Role};
use isotare_host::{WaitError, now, readable};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where the daemon of the consoles writes its number: `xenconsoled --pid-file` in Debian's init script and
/// in Xen's own service.
const CONSOLE_DAEMON: [&str; 2] = ["/run/xenconsoled.pid", "/run/xen/xenconsoled.pid"];

pub(super) struct XenInstance {
    name: String,
    xl: Xl,
    config: PathBuf,
    logs: Logs,
    files: Vec<PathBuf>,
    /// Whether the hypervisor may know the domain.
    asked: bool,
    line: Option<Line>,
}

impl XenInstance {
    pub(super) fn create(
        environment: &XenEnvironment,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let failed = |what, error: Cause| DriverError::failed(what, cx.instance, error);
        let log = |name: String| PathBuf::from("/var/log/xen").join(name);
        let config = cx.run.join("domain.cfg");
        let logs = Logs {
            monitor: "xl",
            output: log(format!("xl-{}.log", cx.instance)),
            console: cx.work.join("console.log"),
        };
        let boot = &environment.boot;
        let text = Config {
            name: cx.instance,
            kind: environment.kind,
            // The firmware of the emulated machine can boot only a boot image.
            kernel: if environment.kind == GuestType::Hvm { &boot.image } else { &boot.kernel },
            initramfs: &boot.initramfs,
            parameters: &environment.kind.kernel_parameters(),
            memory: environment.shape.memory,
            vcpus: environment.shape.vcpus,
            cpus: &cx.budget.cpus.to_string(),
            console: &logs.console,
        }
        .text()
        .map_err(|e| failed("write configuration of", e.into()))?;
        fs::write(&config, text).map_err(|e| failed("write configuration of", e.into()))?;
        // The tools keep the logs of a domain that has ended.
        let kept = [logs.output.clone(), log(format!("qemu-dm-{}.log", cx.instance))];
        for path in &kept {
            cx.ledger
                .record(&Resource::Path { path: path.clone() })
                .map_err(|e| failed("record log of", e.into()))?;
        }
        Ok(Self {
            name: cx.instance.to_owned(),
            xl: environment.xl.clone(),
            files: kept.into_iter().chain([config.clone()]).collect(),
            config,
            logs,
            asked: false,
            line: None,
        })
    }

    fn wait_for_end(&self, cx: &InstanceContext<'_>) -> Result<(), WaitError> {
        match &self.line {
            Some(line) => readable(line.end.as_fd(), None, &cx.deadline),
            None => Ok(()),
        }
    }
}

impl Instance for XenInstance {
    /// The domain is created paused and runs only after its console is open, so that no output is lost.
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let failed = |error: Cause| DriverError::failed("start domain", cx.instance, error);
        let (driver, what) = ("xen".to_owned(), "domain".to_owned());
        let managed = Resource::Managed { driver, what, id: self.name.clone() };
        cx.ledger.record(&managed).map_err(|e| failed(e.into()))?;
        self.asked = true;
        self.xl.run(&["create", "-p", &self.config.display().to_string()], &cx.deadline)?;
        (cx.mark)("domain.created");
        let number = self.xl.number(&self.name, &cx.deadline)?;
        let number = number.ok_or_else(|| failed("xl created it, but does not list it".into()))?;
        let terminal = self.xl.console(number, &cx.deadline)?;
        self.line = Some(Line::open(&terminal, self.logs.console.clone()).map_err(|e| failed(e.into()))?);
        (cx.mark)("console.connected");
        self.xl.run(&["unpause", &self.name], &cx.deadline)?;
        Ok(())
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const WAIT: &str = "wait for agent of";
        let line = self.line.as_mut();
        let Some((line, stream)) = line.and_then(|line| line.stream.take().map(|stream| (line, stream)))
        else {
            return Err(DriverError::failed(WAIT, cx.instance, "it was not started"));
        };
        // The end of the console is also the end of the stream, so it is checked first.
        match readable(stream.as_fd(), None, &cx.deadline) {
            Ok(()) if readable(line.end.as_fd(), None, &cx.until(now()).deadline).is_err() => Ok(stream),
            Ok(()) => {
                Err(DriverError::failed(WAIT, cx.instance, format!("it ended; {}", self.logs.summary())))
            }
            Err(error) => Err(error.during(WAIT, cx.instance)),
        }
    }

    /// A domain is not a process of dom0. The daemon of all consoles carries the agent's messages.
    fn footprint(&self) -> Footprint {
        let number = |path: &&str| fs::read_to_string(path).ok()?.trim().parse().ok();
        let daemon = CONSOLE_DAEMON.iter().find_map(number);
        let member = daemon.map(|pid| Member::shared(Role::Daemon, pid));
        Footprint { members: member.into_iter().collect(), cgroup: None }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        match (self.wait_for_end(&cx.until(now().plus(grace))), self.logs.panic()) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(line)) => {
                Err(DriverError::failed("stop", cx.instance, format!("the guest: {line}")))
            }
            (Err(error), _) => {
                self.xl.destroy(&self.name, &cx.deadline)?;
                Err(error.during("stop", cx.instance))
            }
        }
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if self.asked {
            self.xl.destroy(&self.name, &cx.deadline)?;
            self.wait_for_end(cx).map_err(|e| e.during("end console of", cx.instance))?;
            (self.asked, self.line) = (false, None);
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
