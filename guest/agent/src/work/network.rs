//! `network`: an event sends one message over a TCP connection of the loopback link and waits until it has
//! come back.
//!
//! Every thread has a connection of its own, and a second thread that answers: what comes is sent back,
//! message by message. Nagle's algorithm is off, as in every program of requests and answers.

use super::engine::{Event, Work};
use super::random::Random;
use crate::network::raise_loopback;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

/// Longest silence before the link counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest message, bytes.
const LARGEST: u64 = 64 << 20;

/// The side that answers.
pub struct Network {
    size: usize,
    listener: TcpListener,
}

/// One thread's connection.
pub struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    answer: Vec<u8>,
    sent: u64,
}

impl Network {
    /// Listens on the loopback link.
    pub fn prepare(size: u64) -> Result<Self, String> {
        let bytes = usize::try_from(size).ok().filter(|_| (1..=LARGEST).contains(&size));
        let size =
            bytes.ok_or_else(|| format!("a network message has to have 1 to {LARGEST} bytes, not {size}"))?;
        // Where the link is up already, or not ours to set up, what follows tells whether it works.
        let _is_up = raise_loopback();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| format!("listen on the loopback link: {error}"))?;
        Ok(Self { size, listener })
    }

    /// A connection, and a thread at its other end that lives until this end is closed. Threads that connect
    /// at once may get each other's other end, which is as good.
    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.listener.local_addr()?, PATIENCE)?;
        let (other, _) = self.listener.accept()?;
        for end in [&stream, &other] {
            end.set_nodelay(true)?;
        }
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let size = self.size;
        std::thread::Builder::new()
            .name("answer".to_owned())
            .stack_size(256 << 10)
            .spawn(move || answer(other, size))?;
        Ok(stream)
    }
}

/// Sends back whole messages. An error is the end of the connection, which the other end sees.
fn answer(mut stream: TcpStream, size: usize) {
    let mut message = vec![0; size];
    while stream.read_exact(&mut message).and_then(|()| stream.write_all(&message)).is_ok() {}
}

impl Work for Network {
    type Worker = Connection;

    fn worker(&self, _: Random) -> Result<Connection, String> {
        let stream = self.connect().map_err(|error| format!("connect over the loopback link: {error}"))?;
        Ok(Connection { stream, message: vec![0x5a; self.size], answer: vec![0; self.size], sent: 0 })
    }

    fn event(&self, connection: &mut Connection) -> Result<Event, String> {
        let Connection { stream, message, answer, sent } = connection;
        *sent += 1;
        // Each message begins with its number, as far as it is long enough, so that an old one is no answer.
        for (place, byte) in message.iter_mut().zip(sent.to_le_bytes()) {
            *place = byte;
        }
        let broke = |what: &str, error: io::Error| format!("{what} {} bytes: {error}", self.size);
        stream.write_all(message).map_err(|error| broke("send", error))?;
        stream.read_exact(answer).map_err(|error| broke("receive", error))?;
        let bytes = self.size as u64;
        let wrong = answer[..message.len().min(8)] != message[..message.len().min(8)];
        Ok(Event { read: bytes, written: bytes, wrong, ..Event::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back() {
        for size in [1, 5, 100_000] {
            let network = Network::prepare(size).expect("listens");
            let mut first = network.worker(Random::new(0)).expect("connects");
            let mut second = network.worker(Random::new(1)).expect("connects");
            for _ in 0..20 {
                for connection in [&mut first, &mut second] {
                    let event = network.event(connection).expect("answers");
                    assert_eq!((event.read, event.written, event.wrong), (size, size, false));
                }
            }
        }
        assert!(Network::prepare(0).is_err() && Network::prepare(LARGEST + 1).is_err());
    }
}
