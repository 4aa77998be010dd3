//! QEMU's monitor: its state, and whether KVM is really in use.

use isotare_core::Deadline;
use isotare_host::now;
use qapi::qmp;
use qapi::{Qmp, Stream};
use std::io::{self, BufRead, BufReader, BufWriter, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Maximum size of all of QEMU's answers together, bytes. Usually they have a few hundred bytes.
const LARGEST: u64 = 1 << 20;

type Connection = Stream<BufReader<Answers>, BufWriter<UnixStream>>;

/// A request that the monitor did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum MonitorError {
    /// The connection broke, the deadline passed, or what comes is no answer.
    #[error("QEMU's monitor does not answer")]
    Silent(#[from] io::Error),
    /// QEMU refused a command.
    #[error("QEMU's monitor refuses")]
    Refused(#[source] qapi::Error),
}

impl From<qapi::ExecuteError> for MonitorError {
    fn from(error: qapi::ExecuteError) -> Self {
        match error {
            qapi::ExecuteError::Qapi(error) => MonitorError::Refused(error),
            qapi::ExecuteError::Io(error) => MonitorError::Silent(error),
        }
    }
}

/// A monitor in command mode.
pub(super) struct Monitor {
    qmp: Qmp<Connection>,
}

/// The data that QEMU sends, with a deadline and a maximum length, because a guest may have taken over QEMU.
struct Answers {
    socket: UnixStream,
    deadline: Deadline,
    left: u64,
}

impl Read for Answers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let why = format!("it wrote more than {LARGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let time = self.deadline.at.since(now());
        if time.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(time))?;
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.socket.read(&mut buffer[..length])?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Monitor {
    /// Reads the greeting and leaves negotiation mode. All questions have to be answered by this deadline.
    pub(super) fn connect(socket: UnixStream, deadline: &Deadline) -> Result<Self, MonitorError> {
        socket.set_nonblocking(false)?;
        let left = deadline.at.since(now()).max(Duration::from_millis(1));
        socket.set_write_timeout(Some(left))?;
        let answers = Answers { socket: socket.try_clone()?, deadline: deadline.clone(), left: LARGEST };
        let mut reader = BufReader::new(answers);
        // `qapi` panics when the greeting is missing, so the end of the stream is looked for here.
        if reader.fill_buf()?.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        // Buffered, because `qapi` writes a command in many small pieces.
        let mut qmp = Qmp::new(Stream::new(reader, BufWriter::new(socket)));
        qmp.handshake()?;
        Ok(Self { qmp })
    }

    /// Whether KVM executes the guest.
    pub(super) fn uses_kvm(&mut self) -> Result<bool, MonitorError> {
        Ok(self.qmp.execute(&qmp::query_kvm {})?.enabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{Interrupt, with_sources};
    use isotare_host::deadline_in;
    use std::io::Write;

    #[test]
    fn endless_output_of_a_monitor_is_read_only_up_to_a_limit() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let talker = std::thread::spawn(move || {
            let mut sent = 0;
            while theirs.write_all(&[b' '; 4096]).is_ok() {
                sent += 4096;
            }
            sent
        });
        let deadline = deadline_in(Duration::from_secs(60), &Interrupt::default());
        let error = Monitor::connect(ours, &deadline).map(drop).expect_err("too long");
        assert_eq!(with_sources(&error), "QEMU's monitor does not answer: it wrote more than 1048576 bytes");
        let sent: u64 = talker.join().expect("it ends with the connection");
        assert!(sent < 2 * LARGEST, "{sent}");
    }

    #[test]
    fn waiting_for_a_slow_monitor_ends_at_the_deadline() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let dripper = std::thread::spawn(move || {
            while theirs.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let deadline = deadline_in(Duration::from_millis(50), &Interrupt::default());
        let error = Monitor::connect(ours, &deadline).map(drop).expect_err("too slow");
        let MonitorError::Silent(error) = error else { panic!("{error}") };
        assert!(matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error}");
        dripper.join().expect("it ends with the connection");
    }
}
