//! Network namespaces that a file descriptor keeps alive.

#![expect(unsafe_code, reason = "a thread leaves its namespace")]

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    /// A new one, with nothing but a loopback link that is down.
    pub(crate) fn new() -> io::Result<Self> {
        aside(|| {
            // SAFETY: the flag unshares neither memory nor file descriptors.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            File::open("/proc/thread-self/ns/net").map(Self)
        })
    }

    /// That of a process.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}/ns/net")).map(Self)
    }

    /// Whether it is the one that isotare is in.
    pub(crate) fn is_ours(&self) -> bool {
        let file = |file: io::Result<std::fs::Metadata>| file.ok().map(|meta| (meta.dev(), meta.ino()));
        let ours = file(std::fs::metadata("/proc/self/ns/net"));
        ours.is_some() && ours == file(self.0.metadata())
    }

    /// A path by which every process of the host can open it, as long as this lives.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// Does something inside. Programs that it starts are inside, too.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        aside(|| {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })
    }
}

/// Does something on a thread of its own, which may leave the namespaces of the others.
fn aside<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let panicked = |_| Err(io::Error::other("the thread panicked"));
        scope.spawn(work).join().unwrap_or_else(panicked)
    })
}
