//! Messages over TCP that come back: the service that sends them back, and a connection to it.

use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Longest silence before a connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest message, bytes.
pub const LARGEST: u64 = 64 << 20;

/// The service.
pub struct Server {
    listener: TcpListener,
    size: usize,
}

impl Server {
    /// Listens at this address, for messages of `size` bytes.
    pub fn listen(address: SocketAddr, size: u64) -> Result<Self, String> {
        let size = checked_size(size)?;
        let listener = TcpListener::bind(address).map_err(|error| format!("listen on {address}: {error}"))?;
        Ok(Self { listener, size })
    }

    /// Its address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves every connection on a thread of its own, until `stopped` becomes readable.
    pub fn serve_until(&self, stopped: BorrowedFd<'_>) -> Result<(), String> {
        let failed = |error: io::Error| format!("accept a connection: {error}");
        loop {
            let mut fds = [PollFd::new(&stopped, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => return Ok(()),
                Ok(_) => self.accept().map_err(failed)?,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// Accepts one connection and serves it on a thread of its own, which ends with the connection.
    pub fn accept(&self) -> io::Result<()> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        let size = self.size;
        let answer = move || answer(stream, size);
        std::thread::Builder::new().name("answer".to_owned()).stack_size(256 << 10).spawn(answer)?;
        Ok(())
    }
}

/// Sends back whole messages. An error is the end of the connection, which the other end sees.
fn answer(mut stream: TcpStream, size: usize) {
    let mut message = vec![0; size];
    while stream.read_exact(&mut message).and_then(|()| stream.write_all(&message)).is_ok() {}
}

/// A connection to the service. Nagle's algorithm is off, as in every program of requests and answers.
pub struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    answer: Vec<u8>,
    sent: u64,
}

impl Connection {
    /// Connects, for messages of `size` bytes.
    pub fn open(address: SocketAddr, size: usize) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, message: vec![0x5a; size], answer: vec![0; size], sent: 0 })
    }

    /// Sends a message and waits until as many bytes have come back. Returns whether they are another
    /// message's.
    pub fn round_trip(&mut self) -> Result<bool, String> {
        let Self { stream, message, answer, sent } = self;
        *sent += 1;
        // Each message begins with its number, as far as it is long enough, so that an old one is no answer.
        for (place, byte) in message.iter_mut().zip(sent.to_le_bytes()) {
            *place = byte;
        }
        let size = message.len();
        let broke = |what: &str, error: io::Error| format!("{what} {size} bytes: {error}");
        stream.write_all(message).map_err(|error| broke("send", error))?;
        stream.read_exact(answer).map_err(|error| broke("receive", error))?;
        let head = size.min(8);
        Ok(answer[..head] != message[..head])
    }
}

/// The size of a message, if it is in range.
pub fn checked_size(size: u64) -> Result<usize, String> {
    let bytes = usize::try_from(size).ok().filter(|_| (1..=LARGEST).contains(&size));
    bytes.ok_or_else(|| format!("a message has to have 1 to {LARGEST} bytes, not {size}"))
}
