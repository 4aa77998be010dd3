//! QEMU's monitor: its state, and whether KVM is really in use.

use isotare_core::Deadline;
use isotare_host::now;
use qapi::qmp;
use qapi::{Qmp, Stream};
use std::io::{self, BufRead, BufReader, BufWriter};
use std::os::unix::net::UnixStream;
use std::time::Duration;

type Connection = Stream<BufReader<UnixStream>, BufWriter<UnixStream>>;

/// A question that the monitor did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum MonitorError {
    /// The connection broke, or the deadline passed.
    #[error("QEMU's monitor does not answer: {0}")]
    Silent(#[from] io::Error),
    /// QEMU refused a command.
    #[error("QEMU's monitor: {0}")]
    Refused(#[from] qapi::ExecuteError),
}

/// A monitor in command mode.
pub(super) struct Monitor {
    qmp: Qmp<Connection>,
    socket: UnixStream,
}

impl Monitor {
    /// Reads the greeting and leaves negotiation mode.
    pub(super) fn connect(socket: UnixStream, deadline: &Deadline) -> Result<Self, MonitorError> {
        socket.set_nonblocking(false)?;
        bound(&socket, deadline)?;
        let mut reader = BufReader::new(socket.try_clone()?);
        // `qapi` panics when the greeting is missing, so the end of the stream is looked for here.
        if reader.fill_buf()?.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        // Buffered, because `qapi` writes a command in many small pieces.
        let mut qmp = Qmp::new(Stream::new(reader, BufWriter::new(socket.try_clone()?)));
        qmp.handshake()?;
        Ok(Self { qmp, socket })
    }

    /// Whether KVM executes the guest.
    pub(super) fn uses_kvm(&mut self, deadline: &Deadline) -> Result<bool, MonitorError> {
        bound(&self.socket, deadline)?;
        Ok(self.qmp.execute(&qmp::query_kvm {})?.enabled)
    }
}

/// Lets no answer take longer than there is time.
fn bound(socket: &UnixStream, deadline: &Deadline) -> io::Result<()> {
    let left = deadline.at.since(now()).max(Duration::from_millis(1));
    socket.set_read_timeout(Some(left))?;
    socket.set_write_timeout(Some(left))
}
