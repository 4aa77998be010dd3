//! Finds the host's processes that belong to a container, and its daemons.

use isotare_core::{Member, Role};
use isotare_host::peer_pid;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A container's first process.
pub(crate) struct Init {
    /// Its number.
    pub(crate) pid: u32,
    /// Readable when it has ended.
    pub(crate) pidfd: OwnedFd,
    /// Its cgroup below each hierarchy's root.
    pub(crate) cgroup: Option<String>,
}

impl Init {
    /// The process with this number, if it runs.
    pub(crate) fn open(pid: u32, container: &str) -> Option<Self> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        Some(Self { pid, pidfd, cgroup: cgroup_of(pid, container) })
    }

    /// Kills it, if its cgroup shows that it belongs to the container.
    pub(crate) fn kill(&self) {
        if self.cgroup.is_some() {
            let _ended = pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
    }
}

/// The path of a container's cgroup below each hierarchy's root. The path contains the container's id. On
/// mixed hierarchies, some lines of `/proc/PID/cgroup` contain only the root.
fn cgroup_of(pid: u32, id: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .find(|path| path.rsplit('/').next().is_some_and(|leaf| leaf.contains(id)))?;
    Some(path.trim_start_matches('/').to_owned())
}

/// The container's processes, its shim and the daemons.
pub(super) fn members(init: u32, socket: &Path) -> Vec<Member> {
    let mut members = vec![Member::new(Role::Workload, init)];
    let shim = shim_of(init);
    members.extend(shim.map(|pid| Member::new(Role::Shim, pid)));
    let dockerd = peer(socket).filter(|&pid| pid > 1).or_else(|| daemon_by_name("dockerd"));
    let containerd =
        shim.and_then(containerd_of_shim).or_else(|| dockerd.and_then(|pid| child_named(pid, "containerd")));
    for pid in dockerd.into_iter().chain(containerd.filter(|pid| Some(*pid) != dockerd)) {
        members.push(Member::shared(Role::Daemon, pid));
    }
    members
}

/// The nearest ancestor that is a shim.
fn shim_of(init: u32) -> Option<u32> {
    let mut pid = parent(init)?;
    while pid > 1 {
        // The kernel cuts names to 15 bytes: `containerd-shim-runc-v2`, of another daemon `conmon`.
        if matches!(name(pid)?.as_str(), "containerd-shim" | "conmon") {
            return Some(pid);
        }
        pid = parent(pid)?;
    }
    None
}

/// The daemon to which a shim reports. It listens at the shim's argument `-address`. It is not the parent of
/// the shim.
fn containerd_of_shim(shim: u32) -> Option<u32> {
    let line = fs::read(format!("/proc/{shim}/cmdline")).ok()?;
    let mut words = line.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    words.find(|word| word.trim_start_matches('-') == "address")?;
    peer(Path::new(&*words.next()?))
}

/// The process that listens at a socket. With socket activation, this is the process that created the socket:
/// unix(7), SO_PEERCRED.
pub(crate) fn peer(socket: &Path) -> Option<u32> {
    peer_pid(UnixStream::connect(socket).ok()?)
}

/// The daemon, if it did not create its socket itself; `None` if there are several.
fn daemon_by_name(wanted: &str) -> Option<u32> {
    let mut found = pids().filter(|&pid| name(pid).as_deref() == Some(wanted));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn child_named(of: u32, wanted: &str) -> Option<u32> {
    pids().find(|&pid| parent(pid) == Some(of) && name(pid).as_deref() == Some(wanted))
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Field 4 of `/proc/PID/stat`, counted behind the name in parentheses: proc_pid_stat(5).
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_listener_is_known_by_its_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let _listener = UnixListener::bind(&path).expect("listens");
        assert_eq!(peer(&path), Some(std::process::id()));
        assert_eq!(peer(&folder.path().join("none")), None);
    }

    #[test]
    fn this_process_has_a_parent_and_no_shim() {
        let own = std::process::id();
        assert_eq!(
            parent(own),
            rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
        );
        assert_eq!(shim_of(own), None);
        assert_eq!(cgroup_of(own, "no-such-container"), None);
    }
}
