//! One run of the agent in an SSH session, whose standard streams are the agent's connection.

use super::diagnosis::diagnose;
use super::target::Target;
use isotare_core::{DriverError, Footprint, Instance, InstanceContext, Member, Resource, Role};
use isotare_host::{Child, Spawn, WaitError, identify, now, readable};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

pub(super) struct SshInstance {
    spawn: Option<Spawn>,
    stream: Option<UnixStream>,
    child: Option<Child>,
    log: PathBuf,
}

impl SshInstance {
    /// Makes ready to connect. The data folder is made and removed by the remote shell around the agent,
    /// which ends with its connection; so a trial needs one connection only.
    pub(super) fn create(target: &Target, cx: &InstanceContext<'_>) -> Result<Self, DriverError> {
        let (ours, theirs) =
            UnixStream::pair().map_err(|e| DriverError::failed("make a connection for", cx.instance, e))?;
        let data = format!("{}/{}", target.folder, cx.instance);
        let agent = format!("{}/agent --stdio --data {data}", target.folder);
        let command = format!("umask 077; mkdir {data} && {{ {agent}; rm -rf -- {data}; }}");
        let log = cx.work.join("ssh.log");
        let spawn = target.spawn(&command)?.output_to(&log).streams_over(theirs.into());
        Ok(Self { spawn: Some(spawn), stream: Some(ours), child: None, log })
    }
}

impl Instance for SshInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        // Taken, so that only the client has its end of the connection.
        let spawn = self
            .spawn
            .take()
            .ok_or_else(|| DriverError::failed("start", cx.instance, "it has already been started"))?;
        let child = spawn.start().map_err(|e| DriverError::failed("start", spawn.line(), e))?;
        if let Some(process) = identify(child.pid()) {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))?;
        }
        self.child = Some(child);
        Ok(())
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        let (Some(stream), Some(child)) = (self.stream.take(), &mut self.child) else {
            return Err(DriverError::failed("wait for agent of", cx.instance, "it was not started"));
        };
        let waited = readable(stream.as_fd(), Some(child.pidfd()), &cx.deadline);
        // A client that fails closes the connection, which also makes it readable.
        let mut first = [0];
        let mut hung_up =
            || matches!(rustix::net::recv(&stream, &mut first, rustix::net::RecvFlags::PEEK), Ok((0, _)));
        match waited {
            Ok(()) if !hung_up() => Ok(stream),
            Ok(()) | Err(WaitError::Died) => {
                let status =
                    child.wait(&cx.deadline).map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(diagnose(&format!("ssh: {status}"), &self.diagnostics()).into())
            }
            Err(error) => Err(error.during("wait for agent of", cx.instance)),
        }
    }

    fn footprint(&self) -> Footprint {
        // The workload's processes are not visible from here.
        let client = self.child.as_ref().map(Child::pid).map(|pid| Member::new(Role::Shim, pid));
        Footprint { members: client.into_iter().collect(), cgroup: None }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.wait(&cx.until(now().plus(grace)).deadline) {
            Ok(_) => Ok(()),
            Err(error) => {
                child.kill().map_err(|e| DriverError::failed("kill ssh of", cx.instance, e))?;
                Err(error.during("stop", cx.instance))
            }
        }
    }

    fn delete(&mut self, _: &InstanceContext<'_>) -> Result<(), DriverError> {
        // Without its client the session ends, and with that the agent.
        (self.spawn, self.stream, self.child) = (None, None, None);
        Ok(())
    }

    fn diagnostics(&self) -> String {
        isotare_files::log_tail(&self.log)
    }
}
