//! Rules about segments.

use crate::bed::{Bed, Life};
use crate::tally;
use isotare_core::{Attaching, Attachment};
use isotare_protocol::{Builtin, EchoJob, Job, JobResult, Kind, Limit, Served, Service};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Port of the servers of this rule.
const PORT: u16 = 7019;
/// Bytes of their messages.
const SIZE: usize = 100;
/// Longest silence on a connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reasons for which an environment that can be attached cannot be attached as it is here.
const NOT_HERE: [&str; 5] = [
    // Of lab hosts with few programs and modules.
    "needs the program 'ip'",
    "Unknown device type",
    "Operation not supported",
    "it uses the host's network",
    // gVisor's release of July 2024 on Linux 6.18.
    "cannot run with network enabled in root network namespace",
];

/// Two instances reach each other and the host, and the host reaches them.
pub fn segment(bed: &mut Bed<'_>) -> Result<(), String> {
    if bed.attaching() == Attaching::Unsupported || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    match reach(bed) {
        Err(why) if NOT_HERE.iter().any(|known| why.contains(known)) => {
            let reason = why.lines().next().unwrap_or_default();
            tally::tell(&format!("skipped a rule, instances on a segment: {reason}"));
            Ok(())
        }
        done => done,
    }
}

fn reach(bed: &mut Bed<'_>) -> Result<(), String> {
    let segment = bed.segment()?;
    let text = |error: isotare_core::DriverError| error.to_string();
    let ends = [segment.end(0).map_err(text)?, segment.end(1).map_err(text)?];
    let host = segment.host();
    let [server, other] = [ends[0].address(), ends[1].address()];
    let [first, second] = ends;
    let mut server_life = bed.begin_attached(first)?;
    let mut other_life = bed.begin_attached(second)?;
    for (life, address) in [(&mut server_life, server), (&mut other_life, other)] {
        let what = Served::Echo { address: at(address), size: SIZE as u64 };
        life.serve(&Service { what, patience_ms: 60_000 })?;
        from_the_host(address).map_err(|error| format!("from the host to {address}: {error}"))?;
    }
    echoes(&mut other_life, server).map_err(|error| format!("from one instance to another: {error}"))?;
    echoes(&mut server_life, other).map_err(|error| format!("from the other to the one: {error}"))?;
    let listener = TcpListener::bind(at(host)).map_err(|error| format!("listen on {host}: {error}"))?;
    let answering = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut message = [0; SIZE];
        while stream.read_exact(&mut message).is_ok() {
            stream.write_all(&message)?;
        }
        Ok(())
    });
    echoes(&mut server_life, host).map_err(|error| format!("from an instance to the host: {error}"))?;
    answering.join().map_err(|_| "the host's side panicked")?.map_err(|error| error.to_string())?;
    server_life.end()?;
    other_life.end()
}

fn at(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address), PORT)
}

fn from_the_host(address: Ipv4Addr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&at(address), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let message = [7; SIZE];
    let mut answer = [0; SIZE];
    stream.write_all(&message)?;
    stream.read_exact(&mut answer)?;
    if answer == message { Ok(()) } else { Err(std::io::Error::other("another message came back")) }
}

fn echoes(life: &mut Life, to: Ipv4Addr) -> Result<(), String> {
    const EVENTS: u64 = 20;
    let job = Job::Builtin(Builtin {
        kind: Kind::Echo(EchoJob { address: at(to), size: SIZE as u64, rate: None }),
        threads: 1,
        limit: Limit { duration_ms: None, events: Some(EVENTS) },
        warmup_ms: 0,
        interval_ms: 0,
    });
    match life.run(job)?.result {
        JobResult::Work(report) if (report.events, report.wrong) == (EVENTS, 0) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}
