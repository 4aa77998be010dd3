//! One machine: its monitor, and the interface of the monitor.

use super::environment::{PORT, VmmEnvironment};
use super::{Client, Dialect, Places, Request};
use crate::guest::{Logs, Machine, Parts};
use isotare_core::{DriverError, Footprint, Instance, InstanceContext};
use isotare_host::Spawn;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

pub(super) struct VmmInstance {
    dialect: Dialect,
    machine: Machine,
    socket: PathBuf,
    requests: Vec<Request>,
}

impl VmmInstance {
    pub(super) fn create(
        environment: &VmmEnvironment,
        cx: &InstanceContext<'_>,
    ) -> Result<Self, DriverError> {
        let dialect = environment.dialect;
        let (socket, vsock) = (cx.run.join("api.sock"), cx.run.join("vsock"));
        let output = cx.work.join("vmm.log");
        let console = match dialect.console_on_output {
            true => output.clone(),
            false => cx.work.join("console.log"),
        };
        let disk = environment.boot.template.as_ref().map(|template| (template, cx.work.join("data.disk")));
        let requests = (dialect.requests)(
            &environment.settings,
            environment.shape,
            &Places {
                kernel: &environment.boot.kernel,
                initramfs: &environment.boot.initramfs,
                parameters: &environment.parameters,
                disk: disk.as_ref().map(|(_, path)| path.as_path()),
                vsock: &vsock,
                console: &console,
            },
        );
        let parts = Parts {
            spawn: Spawn::new(&environment.program).args((dialect.arguments)(&socket)),
            logs: Logs { monitor: dialect.name, output, console },
            // Both monitors' rule: the guest's connection to port N of its host arrives at PATH_N.
            control: cx.run.join(format!("vsock_{PORT}")),
            files: vec![socket.clone(), vsock],
            disk,
            limits: environment.hierarchies.as_ref().ok().map(|all| (all, environment.limits(cx))),
        };
        Ok(Self { dialect, machine: Machine::create(parts, cx)?, socket, requests })
    }
}

impl Instance for VmmInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let child = self.machine.start(cx)?;
        let client = Client::connect(&self.socket, child.pidfd(), &cx.deadline);
        let mut client = client.map_err(|error| self.machine.explain("connect to monitor of", error))?;
        (cx.mark)("vmm.connected");
        for request in &self.requests {
            client.call(request, &cx.deadline)?;
        }
        Ok(())
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        self.machine.wait_ready(cx)
    }

    fn footprint(&self) -> Footprint {
        self.machine.footprint(self.dialect.threads)
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.machine.stop(grace, cx)
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.machine.delete(cx)
    }

    fn diagnostics(&self) -> String {
        self.machine.diagnostics()
    }
}
