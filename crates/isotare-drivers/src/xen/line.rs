//! The agent's connection over a guest's console.
//!
//! A console carries the kernel's output until the agent starts, and it has no end of a connection. So one
//! thread reads it, stores the kernel's output, and forwards everything from the agent's hello on. Another
//! thread writes. Both use a socket pair, whose other end is the connection that drivers return.

use isotare_protocol::hello_at;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

/// The reader's end of what ends with the console.
pub(super) struct Line {
    /// The connection, once.
    pub(super) stream: Option<UnixStream>,
    /// Readable when the console has ended.
    pub(super) end: UnixStream,
}

impl Line {
    /// Opens the terminal. What the kernel says is appended to the log.
    pub(super) fn open(terminal: &Path, log: PathBuf) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(terminal, flags, Mode::empty())?;
        let mut modes = tcgetattr(&terminal)?;
        modes.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &modes)?;
        let terminal = File::from(terminal);
        let log = File::options().create(true).append(true).open(log)?;
        let (stream, ours) = UnixStream::pair()?;
        let (end, alive) = UnixStream::pair()?;
        let (reader, from_host, to_terminal) = (terminal.try_clone()?, ours.try_clone()?, terminal);
        thread::Builder::new().name("console".into()).spawn(move || {
            // If one thread ends, the other ends too.
            let _broken = pass_on(reader, log, &ours);
            let _gone = ours.shutdown(Shutdown::Both);
            drop(alive);
        })?;
        thread::Builder::new().name("console-in".into()).spawn(move || {
            let _broken = io::copy(&mut &from_host, &mut &to_terminal);
        })?;
        Ok(Self { stream: Some(stream), end })
    }
}

/// Copies from the agent's hello on; what comes before is the kernel's.
fn pass_on(mut terminal: impl Read, mut log: impl Write, mut to: impl Write) -> io::Result<()> {
    let (mut pending, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let count = terminal.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        pending.extend_from_slice(&piece[..count]);
        if let Some(start) = hello_at(&pending) {
            log.write_all(&pending[..start])?;
            to.write_all(&pending[start..])?;
            break;
        }
        // An incomplete hello is kept until more data arrives.
        let done = pending.len().saturating_sub(16);
        log.write_all(&pending[..done])?;
        pending.drain(..done);
    }
    io::copy(&mut terminal, &mut to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_protocol::{Hello, encode_hello};

    /// Returns one byte for each call of `read`.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (now, rest) = self.0.split_at(self.0.len().min(1));
            self.0 = rest;
            buffer[..now.len()].copy_from_slice(now);
            Ok(now.len())
        }
    }

    #[test]
    fn messages_of_the_kernel_are_separated_from_those_of_the_agent() {
        let hello = Hello { agent_version: "1".into(), pid: 1, clock_ns: 9, started_ns: 8 };
        let said = [encode_hello(&hello).expect("encodes"), b"more\n".to_vec()].concat();
        let console = [b"[ 0.1] Linux\r\nISOTARE is not it\r\n".to_vec(), said.clone()].concat();
        for whole in [true, false] {
            let (mut log, mut agent) = (Vec::new(), Vec::new());
            let slow = Slowly(&console);
            match whole {
                true => pass_on(&console[..], &mut log, &mut agent).expect("read"),
                false => pass_on(slow, &mut log, &mut agent).expect("read"),
            }
            assert_eq!(log, b"[ 0.1] Linux\r\nISOTARE is not it\r\n");
            assert_eq!(agent, said);
        }
    }
}
