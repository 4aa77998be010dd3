//! A Docker daemon for tests, in a temporary folder.

use isotare_core::{Deadline, Interrupt, NoLedger, with_sources};
use isotare_drivers::{DaemonSetup, PrivateDaemon};
use isotare_host::{deadline_in, now};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Longest time for the daemon to answer.
const PATIENCE: Duration = Duration::from_secs(120);
const SHORTEST: Duration = Duration::from_millis(20);

/// A running `dockerd`. Dropping it ends the daemon, its containerd and every container, and removes all
/// their state.
#[derive(Debug)]
pub struct PrivateDockerd {
    // The fields are dropped in this order.
    daemon: PrivateDaemon,
    folder: TempDir,
}

impl PrivateDockerd {
    /// The reason why it cannot be used here; `None`: it can.
    pub fn missing() -> Option<String> {
        PrivateDaemon::usable().err().map(|unavailable| unavailable.to_string())
    }

    /// Starts one and waits until it answers. It has only the networks `none` and `host`, and does not change
    /// the firewall.
    pub fn start() -> Result<Self, String> {
        Self::launch(false)
    }

    /// The same with a bridge.
    pub fn with_bridge() -> Result<Self, String> {
        Self::launch(true)
    }

    fn launch(bridged: bool) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("isotare-dockerd-")
            .tempdir()
            .map_err(|error| format!("make folder for dockerd: {error}"))?;
        let setup = DaemonSetup { folder: folder.path(), storage: None, bridged };
        let daemon =
            PrivateDaemon::start(setup, &NoLedger, &patience()).map_err(|error| with_sources(&error))?;
        Ok(Self { daemon, folder })
    }

    /// Its address, as used in `DOCKER_HOST`.
    pub fn host(&self) -> &str {
        self.daemon.host()
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Kills it like a crash. Its containers continue to run.
    pub fn kill(&mut self) -> Result<(), String> {
        self.daemon.kill().map_err(|error| format!("kill dockerd: {error}"))
    }

    /// The body of an answer of the Engine API. It is read independently of the driver's client.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<String, String> {
        ask(&self.folder.path().join("docker.sock"), method, path, body, &patience())
            .map_err(|error| format!("{method} {path}: {error}"))
    }
}

pub(crate) fn patience() -> Deadline {
    deadline_in(PATIENCE, &Interrupt::default())
}

/// Sends one request without a version of the API, so that the daemon uses its own.
fn ask(socket: &Path, method: &str, path: &str, body: &[u8], deadline: &Deadline) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(deadline.at.since(now()).max(SHORTEST)))?;
    // With HTTP/1.0 the answer ends with the connection.
    write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(body.to_owned()),
        _ => Err(io::Error::other(format!("{head}: {body}"))),
    }
}

/// Whether a daemon answers at the default address of its clients.
pub fn answers() -> bool {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let soon = deadline_in(Duration::from_secs(5), &Interrupt::default());
    host.strip_prefix("unix://").is_some_and(|path| ask(Path::new(path), "GET", "/_ping", &[], &soon).is_ok())
}
