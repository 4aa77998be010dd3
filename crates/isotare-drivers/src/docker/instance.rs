//! One container.

use super::diagnosis::diagnose;
use super::engine::{CallError, Engine};
use super::processes::{Init, members};
use super::removal::remove_container;
use bollard::errors::Error;
use bollard::query_parameters::{KillContainerOptionsBuilder, WaitContainerOptionsBuilder};
use futures_util::TryStreamExt;
use isotare_core::{Deadline, DriverError, Footprint, Instance, InstanceContext, Interrupt, Timestamp};
use isotare_host::{WaitError, accept, deadline_in, now};
use std::cell::OnceCell;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

/// Time in which an agent usually connects. Isotare watches the process only if the agent is slower, because
/// asking the daemon for the process takes longer than most agents need to connect.
const USUAL: Duration = Duration::from_millis(20);
/// Longest time for requests that are not part of a phase, and for a kill after the grace time.
const ASIDE: Duration = Duration::from_secs(5);

pub(super) struct DockerInstance {
    engine: Arc<Engine>,
    id: String,
    listener: Option<UnixListener>,
    init: OnceCell<Init>,
    deleted: bool,
}

impl DockerInstance {
    pub(super) fn new(engine: Arc<Engine>, id: String, listener: UnixListener) -> Self {
        Self { engine, id, listener: Some(listener), init: OnceCell::new(), deleted: false }
    }

    /// The container's first process; `None` if it does not exist yet.
    fn init(&self, deadline: &Deadline) -> Result<Option<&Init>, CallError> {
        if self.init.get().is_none() {
            let container = self.engine.call(deadline, |docker| docker.inspect_container(&self.id, None))?;
            let pid = container.state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
            if let Some(init) = pid.and_then(|pid| Init::open(pid, &self.id)) {
                return Ok(Some(self.init.get_or_init(|| init)));
            }
        }
        Ok(self.init.get())
    }

    fn wait_for_end(&self, deadline: &Deadline) -> Result<(), CallError> {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let ended = self.engine.call(deadline, |docker| {
            let answers = docker.wait_container(&self.id, Some(options)).try_collect::<Vec<_>>();
            async {
                match answers.await {
                    // An exit status other than 0.
                    Err(Error::DockerContainerWaitError { .. }) => Ok(true),
                    Err(error) => Err(error),
                    Ok(answers) => Ok(!answers.is_empty()),
                }
            }
        });
        match ended {
            Ok(true) => Ok(()),
            Ok(false) => Err(CallError::Broken("it ended without an exit status".into())),
            Err(error) if error.is_status(404) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn kill(&self) -> Result<(), CallError> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let deadline = deadline_in(ASIDE, &Interrupt::default());
        match self.engine.call(&deadline, |docker| docker.kill_container(&self.id, Some(options))) {
            // It does not exist, or is not running.
            Err(error) if error.is_status(404) || error.is_status(409) => Ok(()),
            other => other,
        }
    }
}

impl Instance for DockerInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.engine
            .call(&cx.deadline, |docker| docker.start_container(&self.id, None))
            .map_err(|error| error.during("start container", cx.instance))
    }

    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        const OPERATION: &str = "wait for agent of";
        let listener = self.listener.take().ok_or_else(|| {
            DriverError::failed(OPERATION, cx.instance, "its connection was already waited for")
        })?;
        match accept(&listener, None, &sooner(cx, now().plus(USUAL))) {
            Err(WaitError::TimedOut) => {}
            other => return other.map_err(|error| error.during(OPERATION, cx.instance)),
        }
        let init = self.init(&cx.deadline).map_err(|error| error.during(OPERATION, cx.instance))?;
        match init {
            Some(init) => accept(&listener, Some(init.pidfd.as_fd()), &cx.deadline),
            None => Err(WaitError::Died),
        }
        .map_err(|error| error.during(OPERATION, cx.instance))
    }

    fn footprint(&self) -> Footprint {
        let deadline = deadline_in(ASIDE, &Interrupt::default());
        match self.init(&deadline) {
            Ok(Some(init)) => Footprint {
                members: members(init.pid, self.engine.address.path()),
                cgroup: init.cgroup.clone(),
            },
            Ok(None) | Err(_) => Footprint::default(),
        }
    }

    fn stop(&mut self, grace: Duration, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.wait_for_end(&sooner(cx, now().plus(grace))).map_err(|error| {
            if matches!(error, CallError::TimedOut)
                && let Err(unkillable) = self.kill()
            {
                return unkillable.during("kill container", cx.instance);
            }
            error.during("stop container", cx.instance)
        })
    }

    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if self.deleted {
            return Ok(());
        }
        match remove_container(&self.engine, &self.id, &cx.deadline) {
            Ok(_) => {
                self.deleted = true;
                Ok(())
            }
            Err(error) => {
                // Without a daemon, its shim keeps it running.
                self.init.get().inspect(|init| init.kill());
                Err(error)
            }
        }
    }

    fn diagnostics(&self) -> String {
        let deadline = deadline_in(ASIDE, &Interrupt::default());
        diagnose(&self.engine, &self.id, &deadline)
    }
}

/// The phase's deadline, or `at` if that is sooner.
fn sooner(cx: &InstanceContext<'_>, at: Timestamp) -> Deadline {
    cx.until(at.min(cx.deadline.at)).deadline
}
