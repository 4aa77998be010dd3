//! A private Docker daemon: its state, sockets, containerd and network are used by nothing else and end with
//! it.

use super::address::Address;
use crate::bridge_net::BridgeNet;
use isotare_core::{Deadline, DriverError, Interrupt, Ledger, Unavailable};
use isotare_host::{
    Child, MountNamespace, Spawn, deadline_in, end_processes_naming, find_program, has_hybrid_cgroups,
    hide_unified_cgroup, pause, processes_naming, unmount_below,
};
use rustix::process::Signal;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time for the daemon to answer, and again to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time in which a daemon's successor has to end its containers.
const CLEANING: Duration = Duration::from_secs(10);
/// The names of a daemon's processes, of which the kernel keeps 15 bytes. Processes that start others come
/// first.
const PROGRAMS: [&str; 3] = ["dockerd", "containerd", SHIM];
const SHIM: &str = "containerd-shim";
const POLL: Duration = Duration::from_millis(20);

/// How it is set up.
#[derive(Clone, Copy, Debug)]
pub struct DaemonSetup<'a> {
    /// An empty folder for its state and sockets, with a short path.
    pub folder: &'a Path,
    /// The storage driver; `None`: the daemon chooses.
    pub storage: Option<&'a str>,
    /// Whether containers can have a bridge. No firewall is touched either way.
    pub bridged: bool,
}

/// A running `dockerd` that knows the runtimes runc, crun and runsc. Images are in `data` below its folder,
/// which may be a link. Dropping it ends the daemon, its containerd and every container; the files are for
/// the folder's owner to remove.
#[derive(Debug)]
pub struct PrivateDaemon {
    folder: PathBuf,
    program: PathBuf,
    storage: Option<String>,
    address: Address,
    host: String,
    child: Option<Child>,
    bridge: Option<BridgeNet>,
    namespace: Option<MountNamespace>,
}

impl PrivateDaemon {
    /// Why it cannot be used here.
    pub fn usable() -> Result<(), Unavailable> {
        crate::installed::root_only("a private dockerd")?;
        ["dockerd", "containerd", "runc"]
            .into_iter()
            .try_for_each(|name| crate::installed::program(name, "Debian: docker.io").map(drop))
    }

    /// Starts one and waits until it answers.
    pub fn start(
        setup: DaemonSetup<'_>,
        ledger: &dyn Ledger,
        deadline: &Deadline,
    ) -> Result<Self, DriverError> {
        Self::usable()?;
        let program = crate::installed::program("dockerd", "Debian: docker.io")?;
        let failed = |error: io::Error| {
            DriverError::failed("prepare daemon in", setup.folder.display().to_string(), error)
        };
        // Its own file, so that the machine's `/etc/docker/daemon.json` is not read.
        fs::write(setup.folder.join("daemon.json"), configuration()).map_err(failed)?;
        let bridge = setup.bridged.then(|| BridgeNet::plan(setup.folder, ledger)).transpose()?;
        bridge.as_ref().map_or(Ok(()), |bridge| bridge.make(deadline))?;
        // crun does not work if version 2 of cgroups is mounted in addition to version 1.
        let namespace = has_hybrid_cgroups().then(|| MountNamespace::new(hide_unified_cgroup)).transpose();
        let address = Address::parse(&setup.folder.join("docker.sock").to_string_lossy(), "the folder")?;
        let mut daemon = Self {
            folder: setup.folder.to_owned(),
            program,
            storage: setup.storage.map(str::to_owned),
            host: address.to_string(),
            address,
            child: None,
            bridge,
            namespace: namespace.map_err(failed)?,
        };
        daemon.launch(deadline)?;
        Ok(daemon)
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::pid)
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        isotare_files::log_tail(&self.folder.join("log"))
    }

    /// Kills it as a crash would: containers live on.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.take().map_or(Ok(()), |child| child.signal(Signal::KILL))
    }

    fn launch(&mut self, deadline: &Deadline) -> Result<(), DriverError> {
        let path = |name: &str| self.folder.join(name);
        let bridge = self.bridge.as_ref().map_or("none", |bridge| bridge.link.as_str());
        let mut spawn = Spawn::new(&self.program)
            .args(["--config-file".into(), path("daemon.json")])
            .args(["--data-root".into(), path("data")])
            .args(["--exec-root".into(), path("exec")])
            .args(["--pidfile".into(), path("pid")])
            .args(["--host", self.host(), "--bridge", bridge])
            .args(["--containerd-namespace", "isotare-private", "--iptables=false", "--ip-masq=false"])
            .args(["--ip-forward=false", "--shutdown-timeout=2"])
            // What publishes ports without a firewall.
            .arg(format!("--userland-proxy={}", self.bridge.is_some()))
            .output_to(&path("log"))
            .outlives_thread();
        if let Some(storage) = &self.storage {
            spawn = spawn.args(["--storage-driver", storage]);
        }
        if let Some(namespace) = &self.namespace {
            spawn = spawn
                .in_mount_namespace(namespace)
                .map_err(|error| DriverError::failed("enter mount namespace of", self.host(), error))?;
        }
        const OPERATION: &str = "start";
        let mut child = spawn.start().map_err(|error| DriverError::failed(OPERATION, spawn.line(), error))?;
        while self.address.api_version(deadline).is_err() {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => {
                    let cause = format!("{status}: {}", last_lines(&self.log()));
                    return Err(DriverError::failed(OPERATION, spawn.line(), cause));
                }
                Err(error) => return Err(DriverError::failed(OPERATION, spawn.line(), error)),
            }
            // Only its answer shows that it is listening.
            pause(POLL, deadline).map_err(|error| error.during(OPERATION, spawn.line()))?;
        }
        self.child = Some(child);
        Ok(())
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        // The containers of a killed daemon are still running. Its successor ends them when it starts.
        let running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !running {
            self.child = None;
            end_processes_naming(&self.folder, &PROGRAMS[..2], &patience());
            // A number alone does not show that a process is running, because a zombie has one too.
            for file in ["pid", "exec/containerd/containerd.pid"] {
                let _stale = fs::remove_file(self.folder.join(file));
            }
            let _not_again = self.launch(&patience());
            // It answers before it is done with that.
            let deadline = deadline_in(CLEANING, &Interrupt::default());
            while !processes_naming(&self.folder, SHIM).is_empty() && pause(POLL, &deadline).is_ok() {}
        }
        if let Some(mut child) = self.child.take() {
            let _ended = child.signal(Signal::TERM);
            let _in_time = child.wait(&patience());
        }
        end(&self.folder);
    }
}

/// Ends what is left of the daemon with this folder, even if another process started it; true if there was
/// anything.
pub(super) fn end(folder: &Path) -> bool {
    let ended = end_processes_naming(folder, &PROGRAMS, &patience());
    unmount_below(folder);
    if let Ok(data) = fs::canonicalize(folder.join("data")) {
        unmount_below(&data);
    }
    ended
}

/// The runtimes that are installed. gVisor hides the host's sockets by default (`runsc flags`), and Debian
/// 12's version refused every container's network on Linux 6.18.
fn configuration() -> String {
    let mut runtimes = serde_json::Map::new();
    for (name, arguments) in [("crun", &[][..]), ("runsc", &["--host-uds=open", "--network=none"])] {
        if let Some(path) = find_program(name) {
            runtimes.insert(name.to_owned(), serde_json::json!({ "path": path, "runtimeArgs": arguments }));
        }
    }
    serde_json::json!({ "runtimes": runtimes }).to_string()
}

fn patience() -> Deadline {
    deadline_in(PATIENCE, &Interrupt::default())
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_to_its_end() {
        assert_eq!(last_lines("a\nb\nc\nd\n"), "b; c; d");
        assert_eq!(last_lines(""), "");
    }

    #[test]
    fn runtimes_are_configured_where_they_are_installed() {
        let text = configuration();
        assert_eq!(text.contains("host-uds"), find_program("runsc").is_some(), "{text}");
    }
}
