//! Messages between a session and its broker: one packet each, JSON, together with file descriptors.
//!
//! Each request has one reply with the same number, so that a reply that comes too late can be recognised.

use crate::oci::Group;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

const MAX_FDS: usize = 4;
const MAX_BYTES: usize = 64 * 1024;

/// A request with its number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    pub number: u64,
    pub request: Request,
}

/// A request of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first one.
    Configure(Terms),
    /// Create a container. The message also carries standard input, output and error. [`Answer::Created`].
    Create(Box<Order>),
    /// Run its program.
    Start(String),
    /// Collect its init process, which has ended.
    Reap(String),
    /// Kill it if it runs, and remove everything of it. It is not an error if it does not exist.
    Delete(String),
}

/// What all containers of a broker share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Terms {
    /// An empty folder where the broker mounts a file system in memory that only it sees.
    pub state: PathBuf,
    /// Whether they are in a user namespace of the broker's; without root, nothing else is possible.
    pub own_user: bool,
    /// Whether they stay in the host's network namespace.
    pub host_network: bool,
}

/// What a container's root file system is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RootKind {
    /// An overlay of the trees and a writable layer.
    Overlay,
    /// The one tree, bound read-only, with copies of the folders to write in.
    Bind,
    /// A copy of the one tree.
    Copy,
}

/// An answer with the number of its question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    pub number: u64,
    pub answer: Answer,
}

/// An answer of the broker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Done.
    Done,
    /// Created: its init process on the host; the message also carries a pidfd of it.
    Created { pid: u32 },
    /// It did not work.
    Failed(String),
}

/// One container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Its name: letters, digits, `_`, `+`, `-`, `.`.
    pub id: String,
    /// How its root file system is made.
    pub root: RootKind,
    /// The trees that nobody writes to, the topmost first.
    pub lowers: Vec<PathBuf>,
    /// Folder for the container's own files.
    pub layers: PathBuf,
    /// The init program and its arguments.
    pub args: Vec<String>,
    /// Host path to show inside, and where.
    pub bind: (PathBuf, PathBuf),
    /// Its cgroup; `None`: no cgroup of its own.
    pub group: Option<Group>,
    /// Whether the cgroup stays for the next container.
    pub keep_group: bool,
    /// Its network interface in addition to loopback.
    pub link: Option<Link>,
}

/// A pair of network interfaces: one on the host, one in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Name of the host's end.
    pub name: String,
    /// Addresses of the host's and the container's end, in a net of their own.
    pub ends: [Ipv4Addr; 2],
    /// The program `ip`.
    pub ip: PathBuf,
    /// A process in the host's network namespace.
    pub host: u32,
}

/// Sends one message.
pub(super) fn send(socket: impl AsFd, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message; `None` if the other side has closed the connection.
pub(super) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    if got.bytes == 0 {
        return Ok(None);
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(Some((serde_json::from_slice(&bytes[..got.bytes])?, fds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn messages_keep_their_bounds_and_descriptors_and_a_hang_up_is_not_an_error() {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.expect("a pair");
        let null = std::fs::File::open("/dev/null").expect("there");
        let question = |number| Question { number, request: Request::Start("a".into()) };
        send(&ours, &question(1), &[null.as_fd(), null.as_fd()]).expect("sent");
        send(&ours, &question(2), &[]).expect("sent");
        for (number, carried) in [(1, 2), (2, 0)] {
            let (got, fds) = receive::<Question>(&theirs).expect("received").expect("a message");
            assert_eq!((got.number, fds.len()), (number, carried));
        }
        drop(ours);
        assert!(receive::<Question>(&theirs).expect("received").is_none());
    }
}
