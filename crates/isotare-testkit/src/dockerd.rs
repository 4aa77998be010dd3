//! A Docker daemon of one's own: its state, sockets and containerd lie in a temporary folder and end with it.

use isotare_core::{Deadline, Interrupt, ProcessId, Resource};
use isotare_host::{Child, Spawn, Swept, deadline_in, find_program, identify, now, pause, sweep};
use rustix::process::Signal;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Longest time for the daemon to answer, and again to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time for a daemon's successor to end its containers.
const CLEANING: Duration = Duration::from_secs(10);
/// A shim's name, of which the kernel keeps 15 bytes.
const SHIM: &str = "containerd-shim";
const POLL: Duration = Duration::from_millis(20);

/// A running `dockerd`. Dropping it ends the daemon, its containerd and every container, and removes all their state.
#[derive(Debug)]
pub struct PrivateDockerd {
    folder: TempDir,
    program: PathBuf,
    host: String,
    child: Option<Child>,
}

impl PrivateDockerd {
    /// Why there can be none here; `None` if there can.
    pub fn missing() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("a private dockerd needs root".to_owned());
        }
        ["dockerd", "containerd", "runc"]
            .into_iter()
            .find(|program| find_program(program).is_none())
            .map(|program| format!("the program '{program}' is needed (Debian: apt-get install docker.io)"))
    }

    /// Starts one and waits until it answers. It has the networks `none` and `host` only and touches no firewall.
    pub fn start() -> Result<Self, String> {
        if let Some(why) = Self::missing() {
            return Err(why);
        }
        let program = find_program("dockerd").ok_or("the program 'dockerd' is needed")?;
        let folder = tempfile::Builder::new()
            .prefix("isotare-dockerd-")
            .tempdir()
            .map_err(|error| format!("make folder for dockerd: {error}"))?;
        // An empty one, lest the machine's own `/etc/docker/daemon.json` is read.
        fs::write(folder.path().join("daemon.json"), "{}")
            .map_err(|error| format!("write daemon.json: {error}"))?;
        let host = format!("unix://{}", folder.path().join("docker.sock").display());
        let mut daemon = Self { folder, program, host, child: None };
        daemon.launch()?;
        Ok(daemon)
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::pid)
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Kills it as a crash would: containers live on.
    pub fn kill(&mut self) -> Result<(), String> {
        match self.child.take() {
            Some(child) => {
                let killed = child.signal(Signal::KILL);
                killed.map_err(|error| format!("kill dockerd: {error}"))
            }
            None => Ok(()),
        }
    }

    /// The body of an answer of the Engine API: a second opinion beside the driver's own client.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<String, String> {
        ask(&self.path("docker.sock"), method, path, body, &patience())
            .map_err(|error| format!("{method} {path}: {error}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn launch(&mut self) -> Result<(), String> {
        let spawn = Spawn::new(&self.program)
            .args(["--config-file".into(), self.path("daemon.json")])
            .args(["--data-root".into(), self.path("data")])
            .args(["--exec-root".into(), self.path("exec")])
            .args(["--pidfile".into(), self.path("pid")])
            .args(["--host", &self.host])
            .args(["--containerd-namespace", "isotare-private", "--bridge=none", "--iptables=false"])
            .args(["--ip-masq=false", "--userland-proxy=false", "--shutdown-timeout=2"])
            .output_to(&self.path("log"))
            .outlives_thread();
        let mut child = spawn.start().map_err(|error| format!("start {}: {error}", spawn.line()))?;
        let deadline = patience();
        while ask(&self.path("docker.sock"), "GET", "/_ping", &[], &deadline).is_err() {
            let ended = child.try_wait().map_err(|error| format!("look at dockerd: {error}"))?;
            if let Some(status) = ended {
                return Err(format!("dockerd ended ({status}): {}", self.log()));
            }
            pause(POLL, &deadline).map_err(|error| format!("start dockerd: {error}: {}", self.log()))?;
        }
        self.child = Some(child);
        Ok(())
    }

    /// Ends daemon, containerd and whatever is left of containers.
    fn end(&mut self) {
        // A daemon that was killed left its containers to its successor, which ends them when it starts.
        let running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !running {
            self.child = None;
            end_processes_of(self.folder.path(), "dockerd");
            end_processes_of(self.folder.path(), "containerd");
            // Neither number may be taken for a running process's: a zombie has one as well.
            for file in ["pid", "exec/containerd/containerd.pid"] {
                let _stale = fs::remove_file(self.path(file));
            }
            let _not_again = self.launch();
            // It answers before it is done with that.
            let deadline = deadline_in(CLEANING, &Interrupt::default());
            while !processes_of(self.folder.path(), SHIM).is_empty() && pause(POLL, &deadline).is_ok() {}
        }
        if let Some(mut child) = self.child.take() {
            let _ended = child.signal(Signal::TERM);
            let _in_time = child.wait(&patience());
        }
        for program in ["dockerd", "containerd", SHIM] {
            end_processes_of(self.folder.path(), program);
        }
        remove_mounts(self.folder.path());
    }
}

impl Drop for PrivateDockerd {
    fn drop(&mut self) {
        self.end();
    }
}

fn patience() -> Deadline {
    deadline_in(PATIENCE, &Interrupt::default())
}

/// One request without an API version, so that it is the daemon's own.
fn ask(socket: &Path, method: &str, path: &str, body: &[u8], deadline: &Deadline) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(deadline.at.since(now()).max(POLL)))?;
    // HTTP/1.0: the answer ends with the connection.
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

/// Processes of a program with the folder's (unique) path in their command line: the daemon's containerd and shims.
fn processes_of(folder: &Path, program: &str) -> Vec<ProcessId> {
    let mark = folder.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = |process: &ProcessId| {
        let read = |file: &str| {
            let bytes = fs::read(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        read("comm").trim_end() == program && read("cmdline").contains(&mark)
    };
    pids.filter_map(identify).filter(ours).collect()
}

fn end_processes_of(folder: &Path, program: &str) {
    for process in processes_of(folder, program) {
        let _swept: Swept = sweep(&Resource::Process(process), &patience());
    }
}

/// Takes away mounts below the folder, innermost first, so that it can be removed.
fn remove_mounts(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().rev().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    for path in points.filter(|path| path.starts_with(folder)) {
        let _swept: Swept = sweep(&Resource::Mount { path }, &patience());
    }
}

/// Whether a daemon answers where a client without settings would ask.
pub fn answers() -> bool {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let soon = deadline_in(Duration::from_secs(5), &Interrupt::default());
    host.strip_prefix("unix://").is_some_and(|path| ask(Path::new(path), "GET", "/_ping", &[], &soon).is_ok())
}
