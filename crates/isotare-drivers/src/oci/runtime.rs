//! The operations of a runtime on a bundle.

use isotare_core::{DriverError, InstanceContext, Member};
use isotare_host::Child;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A bundle of the OCI runtime specification: a folder with `config.json`.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The container's name.
    pub id: String,
    /// The folder.
    pub folder: PathBuf,
    /// Where the output of the runtime and of the container goes.
    pub log: PathBuf,
}

/// The result of a start.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// The container's first process, if there was none before.
    pub pid: Option<u32>,
    /// The agent's connection, if it uses the container's standard streams.
    pub stream: Option<UnixStream>,
    /// The process that carries it.
    pub carrier: Option<Child>,
}

/// A runtime with its settings. Each call is one step of the life that the runner brackets with its clock.
pub(crate) trait Runtime: Send + Sync {
    /// Creates a container of the bundle. Returns its first process, if there is one before the start.
    fn create(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Option<u32>, DriverError>;
    /// Runs its program.
    fn start(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<Started, DriverError>;
    /// Removes what it created, in any state. Its processes have been killed before.
    fn delete(&self, bundle: &Bundle, cx: &InstanceContext<'_>) -> Result<(), DriverError>;
    /// Processes in addition to the container's own. `pid` is its first one.
    fn beside(&self, bundle: &Bundle, pid: u32) -> Vec<Member>;
    /// Whether its containers are attached by a network namespace that exists before they do.
    fn takes_network(&self) -> bool {
        false
    }
    /// Facts about its containers that differ from their specification, as names and values.
    fn facts(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

impl Bundle {
    /// The specification.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("config.json")
    }

    /// Where the runtime writes the number of the container's first process.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// What the runtime wrote there.
    pub(crate) fn pid(&self) -> Result<u32, DriverError> {
        read_pid(&self.pid_file())
            .map_err(|e| DriverError::failed("read", self.pid_file().display().to_string(), e))
    }

    /// The last line that the runtime or the container wrote.
    pub(crate) fn last_words(&self) -> String {
        let log = isotare_files::log_tail(&self.log);
        log.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("it did not write anything")
            .to_owned()
    }
}

fn read_pid(path: &Path) -> std::io::Result<u32> {
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| std::io::Error::other(format!("'{text}' is not a process number")))
}
