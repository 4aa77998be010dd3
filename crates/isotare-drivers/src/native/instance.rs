//! One agent process in a cgroup of its own.

use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{DriverError, Footprint, Instance, Member, Resource, Role, TrialContext};
use isotare_host::{Child, Spawn, accept, now};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) struct NativeInstance {
    listener: Option<UnixListener>,
    spawn: Spawn,
    log: PathBuf,
    cgroup: Option<(String, Cgroup)>,
    child: Option<Child>,
}

impl NativeInstance {
    pub(super) fn create(
        agent: &Path,
        hierarchies: Option<&Hierarchies>,
        cx: &TrialContext<'_>,
    ) -> Result<Self, DriverError> {
        let socket = cx.control_socket();
        let failed = |what, error: &dyn std::fmt::Display| DriverError::failed(what, cx.instance, error);
        let listener = UnixListener::bind(&socket).map_err(|e| failed("listen for agent of", &e))?;
        let cgroup = match hierarchies {
            Some(hierarchies) => {
                cx.ledger
                    .record(&Resource::Cgroup { path: cx.cgroup.to_owned() })
                    .map_err(|e| failed("record cgroup of", &e))?;
                let cgroup = hierarchies
                    .create(cx.cgroup, Some(cx.budget))
                    .map_err(|e| failed("create cgroup of", &e))?;
                Some((cx.cgroup.to_owned(), cgroup))
            }
            None => None,
        };
        let log = cx.run.join("agent.log");
        let spawn = Spawn::new(agent)
            .arg("--socket")
            .arg(&socket)
            .arg("--data")
            .arg(cx.work)
            .in_cgroups(cgroup.iter().flat_map(|(_, cgroup)| cgroup.joining_files()).collect())
            .output_to(&log);
        Ok(Self { listener: Some(listener), spawn, log, cgroup, child: None })
    }
}

impl Instance for NativeInstance {
    fn start(&mut self, cx: &TrialContext<'_>) -> Result<(), DriverError> {
        let child = self.spawn.start().map_err(|e| DriverError::failed("start", self.spawn.line(), e))?;
        if let Some(process) = isotare_host::identify(child.pid()) {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))?;
        }
        self.child = Some(child);
        Ok(())
    }

    fn wait_ready(&mut self, cx: &TrialContext<'_>) -> Result<UnixStream, DriverError> {
        let (Some(listener), Some(child)) = (self.listener.take(), &self.child) else {
            return Err(DriverError::failed("wait for agent of", cx.instance, "it was not started"));
        };
        accept(&listener, Some(child.pidfd()), &cx.deadline)
            .map_err(|e| e.during("wait for agent of", cx.instance))
    }

    fn footprint(&self) -> Footprint {
        let member = self.child.as_ref().map(|child| Member {
            role: Role::Workload,
            pid: child.pid(),
            workload_threads: Vec::new(),
            shared: false,
        });
        Footprint {
            members: member.into_iter().collect(),
            cgroup: self.cgroup.as_ref().map(|(path, _)| path.clone()),
        }
    }

    fn stop(&mut self, grace: Duration, cx: &TrialContext<'_>) -> Result<(), DriverError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.wait(&cx.until(now().plus(grace)).deadline) {
            Ok(_) => Ok(()),
            Err(error) => {
                child.kill().map_err(|e| DriverError::failed("kill agent of", cx.instance, e))?;
                Err(error.during("stop", cx.instance))
            }
        }
    }

    fn delete(&mut self, cx: &TrialContext<'_>) -> Result<(), DriverError> {
        self.child = None;
        if let Some((path, _)) = self.cgroup.take() {
            Hierarchies::discover()
                .and_then(|hierarchies| hierarchies.remove_tree(&path))
                .map_err(|e| DriverError::failed("remove cgroup of", cx.instance, e))?;
        }
        Ok(())
    }

    fn diagnostics(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
