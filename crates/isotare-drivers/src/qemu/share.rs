//! A root that is a folder of the host: an overlay for each machine, and virtiofsd where it serves it.

use super::spec::Root;
use crate::installed::root_only;
use crate::root::{MountedRoot, Tree};
use isotare_core::{DriverError, InstanceContext, Member, Resource, Role, Unavailable};
use isotare_host::{Child, Spawn, find_program, identify};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The part of such a root that all machines of an environment share.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) tree: Tree,
    /// The program, if it serves the root.
    pub(super) virtiofsd: Option<PathBuf>,
}

/// The root of one machine.
#[derive(Debug)]
pub(super) struct Share {
    root: MountedRoot,
    daemon: Option<Daemon>,
}

#[derive(Debug)]
struct Daemon {
    spawn: Spawn,
    socket: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

/// What such a root needs on this host.
pub(super) fn usable(root: Root) -> Result<Option<PathBuf>, Unavailable> {
    if root.is_shared() {
        root_only(&format!("root={}", root.word()))?;
    }
    if root != Root::Virtiofs {
        return Ok(None);
    }
    // Distributions install it outside PATH, because only machine monitors start it.
    let places = ["virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd"];
    places.into_iter().find_map(find_program).map(Some).ok_or_else(|| {
        Unavailable::new(
            "there is no virtiofsd",
            "install it (Debian: virtiofsd, in bookworm qemu-system-common; cargo install virtiofsd), or choose root=9p",
        )
    })
}

impl Export {
    /// Mounts the root of one machine and prepares its server.
    pub(super) fn mount(&self, cx: &InstanceContext<'_>) -> Result<Share, DriverError> {
        let root = MountedRoot::mount(&self.tree, cx)?;
        let daemon = self.virtiofsd.as_ref().map(|program| {
            let [socket, log] = [cx.run.join("virtiofs.sock"), cx.work.join("virtiofsd.log")];
            let listener = UnixListener::bind(&socket)
                .map_err(|e| DriverError::failed("listen for virtiofsd of", cx.instance, e))?;
            // It receives a socket that is already listening, so that QEMU does not have to wait for it. The
            // options are those that both the program in Rust and its predecessor in C have; both would raise
            // their limit of open files.
            let source = format!("source={},cache=auto,sandbox=chroot", root.path().display());
            let spawn = Spawn::new(program)
                .args(["--fd=0", "--rlimit-nofile=0", "-o", &source])
                .input_from(OwnedFd::from(listener))
                .output_to(&log);
            Ok::<_, DriverError>(Daemon { spawn, socket, log, child: None })
        });
        Ok(Share { root, daemon: daemon.transpose()? })
    }
}

impl Share {
    /// The folder, or the socket of its server.
    pub(super) fn place(&self) -> &Path {
        self.daemon.as_ref().map_or(self.root.path(), |daemon| &daemon.socket)
    }

    /// Starts the server, if there is one, in the machine's cgroup.
    pub(super) fn start(
        &mut self,
        procs_files: Vec<PathBuf>,
        cx: &InstanceContext<'_>,
    ) -> Result<(), DriverError> {
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        let spawn = std::mem::replace(&mut daemon.spawn, Spawn::new(""));
        let spawn = spawn.in_cgroups(procs_files);
        let child = spawn.start().map_err(|e| DriverError::failed("start", spawn.line(), e))?;
        let process = identify(child.pid());
        daemon.child = Some(child);
        process.map_or(Ok(()), |process| {
            cx.ledger
                .record(&Resource::Process(process))
                .map_err(|e| DriverError::failed("record process of", cx.instance, e))
        })
    }

    /// The server as a part of the machine's footprint.
    pub(super) fn member(&self) -> Option<Member> {
        let pid = self.daemon.as_ref()?.child.as_ref()?.pid();
        Some(Member::new(Role::Io, pid))
    }

    /// What the server has written.
    pub(super) fn said(&self) -> String {
        match self.daemon.as_ref().map(|daemon| isotare_files::log_tail(&daemon.log)) {
            Some(text) if !text.is_empty() => format!("virtiofsd:\n{text}"),
            _ => String::new(),
        }
    }

    /// Ends the server and unmounts the root.
    pub(super) fn remove(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        if let Some(child) = self.daemon.as_mut().and_then(|daemon| daemon.child.as_mut()) {
            child.kill().map_err(|e| DriverError::failed("kill virtiofsd of", cx.instance, e))?;
        }
        self.root.remove()
    }
}
