//! A private Incus daemon. Its state and socket are in a temporary folder and are removed with it.

use crate::dockerd::patience;
use isotare_host::{Child, Spawn, find_program, pause};
use rustix::process::Signal;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Its name in `PATH`, and its path in Debian's package.
const PROGRAMS: [&str; 2] = ["incusd", "/usr/libexec/incus/incusd"];
const POLL: Duration = Duration::from_millis(20);

/// A running `incusd` without pools, networks and instances. Dropping it ends it and removes all its state.
#[derive(Debug)]
pub struct PrivateIncusd {
    folder: TempDir,
    child: Option<Child>,
}

impl PrivateIncusd {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a private incusd needs root".to_owned());
        }
        let program = PROGRAMS.iter().find_map(|name| find_program(name));
        let program = program.ok_or("the program 'incusd' is needed (Debian: apt-get install incus)")?;
        let folder = tempfile::Builder::new()
            .prefix("isotare-incus-")
            .tempdir_in("/var/tmp")
            .map_err(|error| format!("make folder for incusd: {error}"))?;
        let mut daemon = Self { folder, child: None };
        let spawn = Spawn::new(program)
            .env("INCUS_DIR", daemon.folder.path())
            .output_to(&daemon.folder.path().join("log"))
            .outlives_thread();
        let mut child = spawn.start().map_err(|error| format!("start {}: {error}", spawn.line()))?;
        let deadline = patience();
        while UnixStream::connect(daemon.socket()).is_err() {
            let ended = child.try_wait().map_err(|error| format!("look at incusd: {error}"))?;
            if let Some(status) = ended {
                return Err(format!("incusd ended ({status}): {}", daemon.log()));
            }
            pause(POLL, &deadline).map_err(|error| format!("start incusd: {error}: {}", daemon.log()))?;
        }
        daemon.child = Some(child);
        Ok(daemon)
    }

    /// Its socket, as used in `INCUS_SOCKET`.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("unix.socket")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PrivateIncusd {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // This signal also ends its instances. SIGTERM would leave them to the next daemon.
            let _ended = child.signal(Signal::POWER);
            let _in_time = child.wait(&patience());
        }
        isotare_host::unmount_below(self.folder.path());
    }
}

/// Whether a daemon listens at the default address of its clients.
pub fn answers() -> bool {
    let given = std::env::var_os("INCUS_SOCKET").map(PathBuf::from);
    let folder = std::env::var_os("INCUS_DIR").map(|folder| Path::new(&folder).join("unix.socket"));
    let usual = ["/run/incus/unix.socket", "/var/lib/incus/unix.socket"].map(PathBuf::from);
    let asked = given.or(folder).map_or_else(|| usual.to_vec(), |one| vec![one]);
    asked.iter().any(|socket| UnixStream::connect(socket).is_ok())
}
