//! `network`: an event sends one message over a TCP connection of the loopback link and waits until it has
//! come back. `echo`: the same, to a service of another instance.

use super::engine::{Event, Work};
use super::random::Random;
use crate::echo::{Connection, Server, checked_size};
use crate::network::raise_loopback;
use isotare_protocol::EchoJob;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;

/// The instance's own loopback link, with the side that answers.
pub struct Network {
    size: usize,
    server: Server,
}

impl Network {
    /// Listens on the loopback link.
    pub fn prepare(size: u64) -> Result<Self, String> {
        // Where the link is up already, or not ours to set up, what follows tells whether it works.
        let _is_up = raise_loopback();
        let server = Server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), size)?;
        Ok(Self { size: checked_size(size)?, server })
    }
}

impl Work for Network {
    type Worker = Connection;

    /// A connection, and a thread at its other end. Threads that connect at once may get each other's other
    /// end, which is as good.
    fn worker(&self, _: Random) -> Result<Connection, String> {
        let connect = || {
            let connection = Connection::open(self.server.address()?, self.size)?;
            self.server.accept()?;
            Ok(connection)
        };
        connect().map_err(|error: std::io::Error| format!("connect over the loopback link: {error}"))
    }

    fn event(&self, connection: &mut Connection) -> Result<Event, String> {
        round_trip(connection, self.size)
    }
}

/// A service of another instance.
pub struct Echo {
    address: SocketAddr,
    size: usize,
    is_paced: bool,
}

impl Echo {
    /// Checks the settings.
    pub fn prepare(job: &EchoJob) -> Result<Self, String> {
        Ok(Self { address: job.address, size: checked_size(job.size)?, is_paced: job.rate.is_some() })
    }
}

impl Work for Echo {
    type Worker = Connection;

    fn worker(&self, _: Random) -> Result<Connection, String> {
        if self.is_paced {
            // By default the kernel may wake a thread 50 us late (prctl(2), PR_SET_TIMERSLACK).
            let _is_as_before = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        }
        Connection::open(self.address, self.size).map_err(|e| format!("connect to {}: {e}", self.address))
    }

    fn event(&self, connection: &mut Connection) -> Result<Event, String> {
        round_trip(connection, self.size)
    }
}

fn round_trip(connection: &mut Connection, size: usize) -> Result<Event, String> {
    let wrong = connection.round_trip()?;
    let bytes = size as u64;
    Ok(Event { read: bytes, written: bytes, wrong, ..Event::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::echo::LARGEST;

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
