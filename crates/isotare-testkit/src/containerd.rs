//! A private containerd. Its state and socket are in a temporary folder and are removed with it.

use isotare_core::{Deadline, Interrupt};
use isotare_host::{Child, Spawn, deadline_in, find_program, pause};
use rustix::process::Signal;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The longest time for its first answer, and also for its end.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A running `containerd`. Dropping it ends it and all its shims, and removes their state.
#[derive(Debug)]
pub struct PrivateContainerd {
    folder: TempDir,
    child: Child,
}

impl PrivateContainerd {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a private containerd needs root".to_owned());
        }
        let program = find_program("containerd")
            .ok_or("the program 'containerd' is needed (Debian: apt-get install containerd)")?;
        let folder = tempfile::Builder::new()
            .prefix("isotare-containerd-")
            .tempdir()
            .map_err(|error| format!("make folder for containerd: {error}"))?;
        let at = |name: &str| folder.path().join(name);
        let settings = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {:?}\n",
            at("root"),
            at("state"),
            socket(folder.path()),
        );
        fs::write(at("config.toml"), settings).map_err(|error| format!("write config.toml: {error}"))?;
        let spawn = Spawn::new(program)
            .arg("--config")
            .arg(at("config.toml"))
            .output_to(&at("log"))
            .outlives_thread();
        let mut child = spawn.start().map_err(|error| format!("start {}: {error}", spawn.line()))?;
        let deadline = patience();
        let log = || fs::read_to_string(at("log")).unwrap_or_default();
        while UnixStream::connect(socket(folder.path())).is_err() {
            let ended = child.try_wait().map_err(|error| format!("look at containerd: {error}"))?;
            if let Some(status) = ended {
                return Err(format!("containerd ended ({status}): {}", log()));
            }
            pause(POLL, &deadline).map_err(|error| format!("start containerd: {error}: {}", log()))?;
        }
        Ok(Self { folder, child })
    }

    /// Its socket, as used in `CONTAINERD_ADDRESS`.
    pub fn address(&self) -> PathBuf {
        socket(self.folder.path())
    }
}

impl Drop for PrivateContainerd {
    fn drop(&mut self) {
        let _ended = self.child.signal(Signal::TERM);
        let _in_time = self.child.wait(&patience());
        isotare_host::end_processes_naming(self.folder.path(), &["containerd-shim"], &patience());
        isotare_host::unmount_below(self.folder.path());
    }
}

/// Whether a containerd answers at the default address of its clients.
pub fn answers() -> bool {
    let address = std::env::var_os("CONTAINERD_ADDRESS").map(PathBuf::from);
    UnixStream::connect(address.unwrap_or_else(|| "/run/containerd/containerd.sock".into())).is_ok()
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}

fn patience() -> Deadline {
    deadline_in(PATIENCE, &Interrupt::default())
}
