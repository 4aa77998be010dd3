//! Services: servers that run beside jobs, each with a thread that watches it until it ends.

use crate::control::signal_group;
use crate::echo;
use crate::link::Speaker;
use crate::network::raise_loopback;
use crate::reap::{self, Strays};
use crate::spawn::{Launch, Program};
use isotare_protocol::{CommandJob, Exit, FromAgent, LOG_LIMIT, Ready, Served, Service, ServiceEnd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause between two attempts to connect to a port that is not open yet.
const ATTEMPTS: Duration = Duration::from_millis(2);
/// The most pieces of output that are read after a program has ended: more than a pipe holds (pipe(7)).
const LEFT_IN_PIPE: usize = 200;
/// Time that a program has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// The services of one connection. Dropping them stops them all.
#[derive(Default)]
pub struct Services {
    running: BTreeMap<u32, Running>,
}

/// One service: its thread ends it, says so, and ends when this pipe is closed.
struct Running {
    _stop: PipeWriter,
    thread: std::thread::JoinHandle<()>,
}

impl Drop for Services {
    fn drop(&mut self) {
        let running = std::mem::take(&mut self.running);
        let threads: Vec<_> = running.into_values().map(|service| service.thread).collect();
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Services {
    /// Starts a service on a thread that reports to the host.
    pub fn start(&mut self, id: u32, service: Service, data: &Path, speaker: Speaker) -> Result<(), String> {
        if self.running.contains_key(&id) {
            return Err(format!("start service {id}: there is one of this number"));
        }
        let (stopped, stop) = io::pipe().map_err(|e| format!("start service {id}: {e}"))?;
        let data = data.to_owned();
        let body = move || {
            let ready = || speaker.send(&FromAgent::ServiceReady { id });
            let end = match &service.what {
                Served::Echo { address, size } => serve_echo(*address, *size, &stopped, &ready),
                Served::Command { job, ready: when } => {
                    let patience = Duration::from_millis(service.patience_ms);
                    serve_command(job, (when, patience), &data, &stopped, &ready)
                }
            };
            let end = end.unwrap_or_else(|why| ServiceEnd { exit: None, why: Some(why), log: Vec::new() });
            // Without a host there is nobody to tell.
            let _gone = speaker.send(&FromAgent::ServiceEnded { id, end });
        };
        let named = std::thread::Builder::new().name(format!("service {id}")).stack_size(512 << 10);
        let thread = named.spawn(body).map_err(|e| format!("start service {id}: {e}"))?;
        self.running.insert(id, Running { _stop: stop, thread });
        Ok(())
    }

    /// Tells a service to end. Its thread says when it has.
    pub fn stop(&mut self, id: u32) {
        if let Some(Running { _stop, thread }) = self.running.remove(&id) {
            drop(_stop);
            drop(thread.join());
        }
    }
}

/// The built-in echo server, until it is stopped.
fn serve_echo(
    address: SocketAddr,
    size: u64,
    stopped: &PipeReader,
    ready: &dyn Fn() -> Result<(), String>,
) -> Result<ServiceEnd, String> {
    // Where the link is up already, or not ours to set up, what follows tells whether it works.
    let _is_up = raise_loopback();
    let server = echo::Server::listen(address, size)?;
    ready()?;
    server.serve_until(stopped.as_fd())?;
    Ok(ServiceEnd { exit: None, why: None, log: Vec::new() })
}

/// A program, until it ends or is stopped.
fn serve_command(
    job: &CommandJob,
    (when, patience): (&Ready, Duration),
    data: &Path,
    stopped: &PipeReader,
    ready: &dyn Fn() -> Result<(), String>,
) -> Result<ServiceEnd, String> {
    let program = Program::resolve(job, data)?;
    let failed = |error: io::Error| format!("start service {}: {error}", program.name());
    let null = File::open("/dev/null").map_err(failed)?;
    let (output, writer) = io::pipe().map_err(failed)?;
    let launch = Launch::new(&program, [null.as_fd(), writer.as_fd(), writer.as_fd()]).map_err(failed)?;
    let pid = Strays::expect(|| launch.start()).map_err(failed)?;
    drop(launch);
    drop(writer);
    let mut watched = Watched::new(pid, output).map_err(failed)?;
    let until = Instant::now() + patience;
    let mut is_ready = false;
    let mut kill_at: Option<Instant> = None;
    loop {
        let wait = match (is_ready, kill_at) {
            (false, None) => ATTEMPTS,
            _ => Duration::from_millis(100),
        };
        let Heard { ended, told, .. } =
            watched.wait(kill_at.is_none().then_some(stopped), wait).map_err(failed)?;
        if ended {
            return Ok(watched.finish());
        }
        if told {
            signal_group(pid, libc::SIGTERM);
            kill_at = Some(Instant::now() + GRACE);
        }
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            signal_group(pid, libc::SIGKILL);
        }
        if !is_ready && kill_at.is_none() {
            is_ready = match when {
                Ready::Port(port) => answers(*port),
                Ready::Line(text) => watched.has_line(text),
            };
            if is_ready {
                ready()?;
            } else if Instant::now() >= until {
                signal_group(pid, libc::SIGKILL);
                watched.why =
                    Some(format!("{} was not ready within {:.1} s", program.name(), patience.as_secs_f64()));
                kill_at = Some(Instant::now());
            }
        }
    }
}

/// Whether a port of the loopback address accepts connections.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// What happened while a program was awaited.
struct Heard {
    /// It has ended.
    ended: bool,
    /// It has to stop.
    told: bool,
    /// It wrote something, or closed its output.
    wrote: bool,
}

/// A running program and the end of its output.
struct Watched {
    pid: i32,
    pidfd: OwnedFd,
    output: Option<PipeReader>,
    log: VecDeque<u8>,
    why: Option<String>,
    /// Output that has been searched for a line already is not searched again.
    line: Vec<u8>,
    lines: Vec<Vec<u8>>,
}

impl Watched {
    fn new(pid: i32, output: PipeReader) -> io::Result<Self> {
        let opened = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process"))?;
        let pidfd = pidfd_open(opened, PidfdFlags::empty())?;
        let log = VecDeque::with_capacity(LOG_LIMIT);
        Ok(Self { pid, pidfd, output: Some(output), log, why: None, line: Vec::new(), lines: Vec::new() })
    }

    /// Waits for output, the program's end, or the word to stop.
    fn wait(&mut self, stopped: Option<&PipeReader>, longest: Duration) -> io::Result<Heard> {
        let timeout = Timespec::try_from(longest).map_err(io::Error::other)?;
        let [mut ended, mut told, mut wrote] = [false; 3];
        {
            let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
            fds.extend(stopped.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            fds.extend(self.output.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            match poll(&mut fds, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            ended |= ready[0];
            told |= stopped.is_some() && ready[1];
            wrote |= self.output.is_some() && ready[ready.len() - 1];
        }
        if wrote {
            self.read()?;
        }
        Ok(Heard { ended, told, wrote })
    }

    /// Keeps a piece of its output.
    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; 8 << 10];
        let Some(output) = &mut self.output else { return Ok(()) };
        match output.read(&mut piece) {
            Ok(0) => self.output = None,
            Ok(count) => {
                let bytes = &piece[..count];
                let excess = (self.log.len() + count).saturating_sub(LOG_LIMIT).min(self.log.len());
                self.log.drain(..excess);
                self.log.extend(bytes);
                for &byte in bytes {
                    match byte {
                        b'\n' => self.lines.push(std::mem::take(&mut self.line)),
                        _ if self.line.len() < LOG_LIMIT => self.line.push(byte),
                        _ => {}
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether a complete line that has come since the last call contains this text.
    fn has_line(&mut self, text: &str) -> bool {
        let lines = std::mem::take(&mut self.lines);
        lines.iter().any(|line| String::from_utf8_lossy(line).contains(text))
    }

    /// Its end. What it left running in its group is killed, too.
    fn finish(mut self) -> ServiceEnd {
        signal_group(self.pid, libc::SIGKILL);
        // What it wrote before its end is in the pipe. A process outside its group may go on writing, so there
        // is a limit.
        for _ in 0..LEFT_IN_PIPE {
            // An error ends the log, and nothing more can be said.
            if !matches!(self.wait(None, Duration::ZERO), Ok(Heard { wrote: true, .. })) {
                break;
            }
        }
        let exit: Option<Exit> = reap::stray(self.pid);
        ServiceEnd { exit, why: self.why, log: self.log.into() }
    }
}
