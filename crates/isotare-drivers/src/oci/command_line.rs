//! A runtime with the command line that runc began: `create`, `start`, `delete`.

use super::gvisor;
use super::runtime::{Bundle, Runtime, Started};
use isotare_core::{DriverError, InstanceContext, Member};
use isotare_host::Spawn;
use std::path::{Path, PathBuf};

/// The cgroup version 2 mount of a host whose controllers are on version 1.
pub(super) const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// The program with the arguments of every call.
#[derive(Clone, Debug)]
pub(super) struct CommandLine {
    /// The runtime.
    pub program: PathBuf,
    /// Its options before the command, but for `--root`.
    pub options: Vec<String>,
    /// Where it keeps its state.
    pub state: PathBuf,
    /// Whether it must not see [`UNIFIED`].
    pub hides_unified: bool,
    /// Whether it is gVisor's.
    pub is_gvisor: bool,
}

impl CommandLine {
    fn call(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Spawn {
        let spawn = Spawn::new(&self.program).arg("--root").arg(&self.state).args(&self.options);
        // Of a flag that is given twice, the last one counts.
        let spawn = match self.is_gvisor && cx.network.is_some() {
            true => spawn.arg("--network=sandbox"),
            false => spawn,
        };
        let spawn = spawn.output_to(&bundle.log);
        if self.hides_unified { spawn.without_mount(Path::new(UNIFIED)) } else { spawn }
    }
}

/// Runs a program of a life to its end.
pub(crate) fn finish(
    operation: &'static str,
    spawn: &Spawn,
    bundle: &Bundle,
    cx: &InstanceContext<'_>,
) -> Result<(), DriverError> {
    let mut child = spawn.start().map_err(|e| DriverError::failed("start", spawn.line(), e))?;
    let status = child.wait(&cx.deadline).map_err(|e| e.during(operation, &bundle.id))?;
    match status.success() {
        true => Ok(()),
        false => {
            Err(DriverError::failed(operation, &bundle.id, format!("{status}: {}", bundle.last_words())))
        }
    }
}

impl Runtime for CommandLine {
    fn create(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Option<u32>, DriverError> {
        let call = self.call(bundle, cx).args(["create", "--bundle"]).arg(&bundle.folder);
        let call = call.arg("--pid-file").arg(bundle.pid_file()).arg(&bundle.id);
        finish("create container", &call, bundle, cx)?;
        bundle.pid().map(Some)
    }

    fn start(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Started, DriverError> {
        finish("start container", &self.call(bundle, cx).args(["start", &bundle.id]), bundle, cx)?;
        Ok(Started::default())
    }

    fn delete(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        // With --force one that it does not know (any more) is no error to any of these runtimes.
        let call = self.call(bundle, cx).args(["delete", "--force", &bundle.id]);
        finish("delete container", &call, bundle, cx)
    }

    fn takes_network(&self) -> bool {
        self.is_gvisor
    }

    fn beside(&self, bundle: &Bundle, _: u32) -> Vec<Member> {
        let gofer = self.is_gvisor.then(|| gvisor::gofer(&self.state, &bundle.id)).flatten();
        gofer.into_iter().collect()
    }

    fn facts(&self) -> &'static [(&'static str, &'static str)] {
        if self.is_gvisor { gvisor::FACTS } else { &[] }
    }
}
