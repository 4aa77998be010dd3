//! Starting, watching and ending processes.

#![expect(unsafe_code, reason = "a namespace is joined between fork and exec")]

use crate::{MountNamespace, WaitError, readable};
use isotare_core::{Deadline, ProcessId};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{Gid, Pid, PidfdFlags, Signal, Uid, pidfd_open, pidfd_send_signal};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid, unshare_unsafe,
};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Of fcntl(2), in <asm-generic/fcntl.h>; the crate `libc` has no name for it.
const F_SETSIG: libc::c_int = 10;

/// The process at the other end of a connection, numbered as we see it; `None` where it is out of our sight:
/// `SO_PEERCRED` in unix(7).
pub fn peer_pid(stream: impl AsFd) -> Option<u32> {
    let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
    u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
}

/// What to start and how. The child dies with the thread that started it.
#[derive(Debug)]
pub struct Spawn {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    cgroup_files: Vec<PathBuf>,
    input: Option<OwnedFd>,
    talks: bool,
    output: Option<PathBuf>,
    errors: Option<PathBuf>,
    namespace: Option<OwnedFd>,
    user: Option<(Uid, Gid)>,
    changes_user: bool,
    outlives_thread: bool,
    hidden_mount: Option<CString>,
    /// The network namespace that it joins.
    network: Option<PathBuf>,
}

/// A child process of ours. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Child {
    inner: std::process::Child,
    pidfd: OwnedFd,
    status: Option<ExitStatus>,
    /// Our end of the pipe with whose end the kernel kills it.
    _lifeline: Option<PipeWriter>,
}

impl Spawn {
    /// The program at this path, with an empty environment but for a standard `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: vec![(
                "PATH".into(),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            )],
            cgroup_files: Vec::new(),
            input: None,
            talks: false,
            output: None,
            errors: None,
            namespace: None,
            user: None,
            changes_user: false,
            outlives_thread: false,
            hidden_mount: None,
            network: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Joins cgroups before the program begins: the files to write `0` to (`Cgroup::joining_files`).
    #[must_use]
    pub fn in_cgroups(mut self, joining_files: Vec<PathBuf>) -> Self {
        self.cgroup_files = joining_files;
        self
    }

    /// Appends stdout and stderr to this file; otherwise they go to `/dev/null`.
    #[must_use]
    pub fn output_to(mut self, path: &Path) -> Self {
        self.output = Some(path.to_owned());
        self
    }

    /// Appends stderr to a file of its own.
    #[must_use]
    pub fn errors_to(mut self, path: &Path) -> Self {
        self.errors = Some(path.to_owned());
        self
    }

    /// Lets it see the mounts of that namespace.
    pub fn in_mount_namespace(mut self, namespace: &MountNamespace) -> io::Result<Self> {
        self.namespace = Some(namespace.handle().try_clone_to_owned()?);
        Ok(self)
    }

    /// Runs it as this user, with this group and no other; for root.
    #[must_use]
    pub fn as_user(mut self, user: u32, group: u32) -> Self {
        self.user = Some((Uid::from_raw(user), Gid::from_raw(group)));
        self
    }

    /// For a program that changes its user by itself, with which the kernel forgets that it is to die with us
    /// (`PR_SET_PDEATHSIG`(2const)). Its standard input is then a pipe, and the kernel kills it when our end
    /// is closed.
    #[must_use]
    pub fn changes_user(mut self) -> Self {
        self.changes_user = true;
        self
    }

    /// Runs it in the network namespace that this path opens, such as `/proc/PID/ns/net`; for root.
    #[must_use]
    pub fn in_network(mut self, namespace: &Path) -> Self {
        self.network = Some(namespace.to_owned());
        self
    }

    /// Gives it this descriptor as its standard input, such as one end of a socket pair; otherwise it is
    /// `/dev/null`.
    #[must_use]
    pub fn input_from(mut self, input: OwnedFd) -> Self {
        self.input = Some(input);
        self
    }

    /// Gives it this descriptor, such as one end of a socket pair, as its standard input and output; what it
    /// writes on stderr goes where [`Spawn::output_to`] says.
    #[must_use]
    pub fn streams_over(mut self, stream: OwnedFd) -> Self {
        (self.input, self.talks) = (Some(stream), true);
        self
    }

    /// Keeps the child alive when the thread that started it ends (it still ends when dropped).
    #[must_use]
    pub fn outlives_thread(mut self) -> Self {
        self.outlives_thread = true;
        self
    }

    /// Gives it a mount namespace of its own, in which nothing is mounted at `path` any more.
    #[must_use]
    pub fn without_mount(mut self, path: &Path) -> Self {
        // A path with a zero byte names nothing.
        self.hidden_mount = CString::new(path.as_os_str().as_bytes()).ok();
        self
    }

    /// The command line, for messages.
    pub fn line(&self) -> String {
        let words =
            std::iter::once(self.program.as_os_str()).chain(self.arguments.iter().map(OsString::as_os_str));
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// Starts it in a process group of its own.
    pub fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.process_group(0);
        let mut lifeline = None;
        match &self.input {
            Some(input) => command.stdin(input.try_clone()?),
            None if self.changes_user => {
                let (theirs, ours) = io::pipe()?;
                lifeline = Some(ours);
                command.stdin(theirs)
            }
            None => command.stdin(Stdio::null()),
        };
        match &self.output {
            Some(path) => {
                let file = log_file(path)?;
                command.stdout(file.try_clone()?).stderr(file);
            }
            None => {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
        }
        if let Some(path) = &self.errors {
            command.stderr(log_file(path)?);
        }
        let namespace = self.namespace.as_ref().map(OwnedFd::try_clone).transpose()?;
        let user = self.user;
        if let (Some(stream), true) = (&self.input, self.talks) {
            command.stdout(stream.try_clone()?);
        }
        let groups: Vec<File> = self
            .cgroup_files
            .iter()
            .map(|path| File::options().write(true).open(path))
            .collect::<io::Result<_>>()?;
        let dies_with_us = !self.outlives_thread;
        let dies_with_pipe = lifeline.is_some();
        let hidden_mount = self.hidden_mount.clone();
        let network = self.network.as_ref().map(File::open).transpose()?;
        let join = move || {
            // "0" means the writing process itself: cgroups.rst, "Attaching processes"; cgroup-v2.rst,
            // "Processes".
            for group in &groups {
                rustix::io::write(group, b"0")?;
            }
            if let Some(namespace) = &namespace {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
            }
            if let Some(network) = &network {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            }
            if let Some(path) = &hidden_mount {
                // SAFETY: the flag unshares neither memory nor file descriptors.
                unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
                // Downstream, so that what is unmounted here stays on the host, and what is unmounted there
                // goes here.
                mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)?;
                unmount(path.as_c_str(), UnmountFlags::DETACH)?;
            }
            if let Some((user, group)) = user {
                set_thread_groups(&[])?;
                set_thread_res_gid(group, group, group)?;
                set_thread_res_uid(user, user, user)?;
            }
            // After the change of user, which clears it: PR_SET_PDEATHSIG(2const).
            if dies_with_us {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            }
            if dies_with_pipe {
                kill_at_end_of_input()?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure only makes system calls on descriptors opened before; it
        // neither allocates nor takes a lock.
        unsafe { command.pre_exec(join) };
        let mut inner = command.spawn()?;
        let pidfd = pid_of(inner.id()).and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
        match pidfd {
            Ok(pidfd) => Ok(Child { inner, pidfd, status: None, _lifeline: lifeline }),
            Err(error) => {
                inner.kill()?;
                inner.wait()?;
                Err(error)
            }
        }
    }
}

/// Opens a log to add to it. A link at its last name is refused: nobody but us has a reason to make one.
fn log_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?.into())
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.inner.id()
    }

    /// Becomes readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Its exit status, once it has been reaped.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.inner.try_wait()?;
        }
        Ok(self.status)
    }

    /// Waits for its end.
    pub fn wait(&mut self, deadline: &Deadline) -> Result<ExitStatus, WaitError> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        readable(self.pidfd.as_fd(), None, deadline)?;
        let status = self.inner.wait()?;
        self.status = Some(status);
        Ok(status)
    }

    /// Sends a signal; an ended child is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills it and its process group, and reaps it.
    pub fn kill(&mut self) -> io::Result<()> {
        if self.status.is_none() {
            // The group outlives its leader only while members do, and the leader is not reaped yet: no other
            // process can have this number.
            if let Ok(group) = pid_of(self.inner.id()) {
                match rustix::process::kill_process_group(group, Signal::KILL) {
                    Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::PERM) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.signal(Signal::KILL)?;
            self.status = Some(self.inner.wait()?);
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing to tell anyone here; a child that cannot be killed is found by the sweep.
        let _unkillable = self.kill();
    }
}

/// Has the kernel send this process SIGKILL when the pipe at its standard input loses its last writer:
/// `F_SETOWN`, `F_SETSIG` and `O_ASYNC` in fcntl(2). The permission to send it is that of the user who calls
/// this, even if the process changes its user. Calls nothing but the system, so that it may run between fork
/// and exec.
fn kill_at_end_of_input() -> io::Result<()> {
    let set = |command: libc::c_int, value: libc::c_int| {
        // SAFETY: these commands take an integer and touch no memory.
        match unsafe { libc::fcntl(libc::STDIN_FILENO, command, value) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    set(libc::F_SETOWN, rustix::process::getpid().as_raw_nonzero().get())?;
    set(F_SETSIG, libc::SIGKILL)?;
    set(libc::F_SETFL, libc::O_ASYNC)
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// The identity of a running process; `None` when it is gone.
pub fn identify(pid: u32) -> Option<ProcessId> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields after the command name, which is in parentheses and may hold anything: proc_pid_stat(5).
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields.first() != Some(&"Z")).then_some(())?;
    Some(ProcessId { pid, started: fields.get(19)?.parse().ok()? })
}

/// Whether this very process (not another with its number) still runs.
pub fn is_alive(process: ProcessId) -> bool {
    identify(process.pid) == Some(process)
}

/// Kills this very process if it still runs; true if it did. `deadline` bounds the wait for its end. Reaping
/// is its parent's business, even if that is this process.
pub(crate) fn kill_identified(process: ProcessId, deadline: &Deadline) -> Result<bool, WaitError> {
    let Ok(pid) = pid_of(process.pid) else { return Ok(false) };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        // EINVAL: it ended in between; before Linux 6.9 a number without a leader was called invalid
        // (pidfd_open(2)).
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(false),
        Err(error) => return Err(WaitError::Io(error.into())),
    };
    if !is_alive(process) {
        return Ok(false);
    }
    match pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) => {}
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(error) => return Err(WaitError::Io(error.into())),
    }
    readable(pidfd.as_fd(), None, deadline)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline_in;
    use isotare_core::Interrupt;
    use std::time::Duration;

    #[test]
    fn a_child_is_waited_for_and_its_status_kept() {
        let mut child = Spawn::new("/bin/sh").args(["-c", "exit 7"]).start().expect("starts");
        let deadline = deadline_in(Duration::from_secs(5), &Interrupt::default());
        assert_eq!(child.wait(&deadline).expect("ends").code(), Some(7));
        assert_eq!(child.try_wait().expect("kept").and_then(|status| status.code()), Some(7));
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_at_an_interrupt() {
        let mut child = Spawn::new("/bin/sleep").arg("60").start().expect("starts");
        let interrupt = Interrupt::default();
        let deadline = deadline_in(Duration::from_millis(30), &interrupt);
        assert!(matches!(child.wait(&deadline), Err(WaitError::TimedOut)));
        interrupt.raise();
        let deadline = deadline_in(Duration::from_secs(60), &interrupt);
        assert!(matches!(child.wait(&deadline), Err(WaitError::Interrupted)));
    }

    #[test]
    fn dropping_a_child_ends_it_and_its_group() {
        let child = Spawn::new("/bin/sh").args(["-c", "sleep 61 & wait"]).start().expect("starts");
        let id = identify(child.pid()).expect("runs");
        drop(child);
        assert!(!is_alive(id));
    }

    #[test]
    fn a_child_that_changes_its_user_still_dies_with_us() {
        let root = rustix::process::geteuid().is_root();
        // setpriv(1) can change its user only as root. But this test is about the pipe, and not about the
        // change.
        let change: &[&str] =
            if root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &["env"] };
        let words = [&change[1..], &["sleep", "60"]].concat();
        let program = crate::find_program(change[0]).expect("in util-linux and coreutils");
        let mut child = Spawn::new(program).args(words).changes_user().start().expect("starts");
        let deadline = deadline_in(Duration::from_secs(10), &Interrupt::default());
        let late = deadline_in(Duration::from_millis(10), &Interrupt::default());
        assert!(matches!(child.wait(&late), Err(WaitError::TimedOut)), "nothing has happened yet");
        // The kernel does the same when this process ends.
        child._lifeline = None;
        let status = child.wait(&deadline).expect("ends");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    }

    #[test]
    fn a_process_with_another_start_time_is_not_killed() {
        let child = Spawn::new("/bin/sleep").arg("60").start().expect("starts");
        let mut other = identify(child.pid()).expect("runs");
        other.started += 1;
        let deadline = deadline_in(Duration::from_secs(1), &Interrupt::default());
        assert!(!kill_identified(other, &deadline).expect("looked"));
        assert!(identify(child.pid()).is_some());
    }
}
