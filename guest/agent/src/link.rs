//! The connection to the host: opening it, its writer, and the thread that reads it.
//!
//! Reading has a thread of its own for the whole life of the agent. It sleeps in the kernel while a job runs.
//! So signals, the end of the connection and requests for the clock are handled without polling next to the
//! measured work.

use crate::arguments::Channel;
use crate::control::Control;
use crate::{clock, vsock};
use isotare_core::with_sources;
use isotare_protocol::{FrameBuffer, FromAgent, Hello, ToAgent, encode, encode_hello};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

const PORTS: &str = "/sys/class/virtio-ports";

/// The connection. Its halves are one file, but for standard streams.
pub struct Link {
    reads: File,
    writer: Speaker,
}

/// The connection to the host for writing, one frame at a time.
#[derive(Clone)]
pub struct Speaker(Arc<Mutex<File>>);

impl Speaker {
    fn of(file: File) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    fn write(&self, frame: &[u8]) -> Result<(), String> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(frame).map_err(|e| format!("write to the host: {e}"))
    }

    /// Sends a message.
    pub fn send(&self, message: &FromAgent) -> Result<(), String> {
        self.write(&encode(message).map_err(|e| format!("encode a message: {}", with_sources(&e)))?)
    }
}

impl Link {
    /// Opens the way to the host. While its device is not there, `wait` is called to wait for a new one.
    pub fn open(channel: &Channel, wait: &mut dyn FnMut() -> Result<(), String>) -> Result<Self, String> {
        match channel {
            Channel::Socket(path) => Self::connect(path),
            Channel::Stdio => Self::stdio(),
            Channel::Port(name) => Self::open_port(name, wait),
            Channel::Vsock(port) => Self::connect_vsock(*port, wait),
            Channel::Device(path) => Self::open_device(path, wait),
        }
    }

    /// Connects to the host's listening socket.
    fn connect(path: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(path).map_err(|e| format!("connect to {}: {e}", path.display()))?;
        Self::of(File::from(OwnedFd::from(stream)))
    }

    /// Takes over standard input and output. A job's programs get streams of their own.
    fn stdio() -> Result<Self, String> {
        let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        let [reads, writes] = [copy(std::io::stdin().as_fd()), copy(std::io::stdout().as_fd())]
            .map(|copied| copied.map_err(|e| format!("take over the standard streams: {e}")));
        Ok(Self { reads: reads?, writer: Speaker::of(writes?) })
    }

    fn of(file: File) -> Result<Self, String> {
        let reads = file.try_clone().map_err(|e| format!("duplicate the connection: {e}"))?;
        Ok(Self { reads, writer: Speaker::of(file) })
    }

    /// Connects to a port of the host. Until the driver has found its device the kernel says `ENODEV`, or
    /// `ENETUNREACH` where another transport is there (vsock(7), `vsock_assign_transport`).
    fn connect_vsock(port: u32, wait: &mut dyn FnMut() -> Result<(), String>) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("connect to vsock port {port}: {error}");
        loop {
            match vsock::connect_to_host(port) {
                Ok(socket) => return Self::of(File::from(socket)),
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENETUNREACH)) => {
                    wait().map_err(|why| failed(&why))?;
                }
                Err(error) => return Err(failed(&error)),
            }
        }
    }

    /// Opens a serial line and makes it carry any byte as it is. The kernel's own messages, if they go to the
    /// same line, are the init's to stop.
    fn open_device(path: &Path, wait: &mut dyn FnMut() -> Result<(), String>) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("open {}: {error}", path.display());
        while !path.exists() {
            wait().map_err(|why| failed(&why))?;
        }
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(&e))?;
        let mut modes = tcgetattr(&line).map_err(|e| failed(&e))?;
        modes.make_raw();
        tcsetattr(&line, OptionalActions::Flush, &modes).map_err(|e| failed(&e))?;
        Self::of(File::from(line))
    }

    /// Opens the virtio-serial port of this name. While it is not there, `wait` is called to wait for a new
    /// device.
    fn open_port(name: &str, wait: &mut dyn FnMut() -> Result<(), String>) -> Result<Self, String> {
        let device = loop {
            match find_port(name) {
                Some(device) => break device,
                None => wait().map_err(|e| format!("find virtio port {name}: {e}"))?,
            }
        };
        let file = File::options()
            .read(true)
            .write(true)
            .open(&device)
            .map_err(|e| format!("open virtio port {name} at {}: {e}", device.display()))?;
        wait_for_peer(&file)?;
        Self::of(file)
    }

    /// Says hello, the first frame.
    pub fn hello(&mut self, hello: &Hello) -> Result<(), String> {
        self.writer
            .write(&encode_hello(hello).map_err(|e| format!("encode the hello: {}", with_sources(&e)))?)
    }

    /// Sends a message.
    pub fn send(&mut self, message: &FromAgent) -> Result<(), String> {
        self.writer.send(message)
    }

    /// A second end for writing, for other threads.
    pub fn speaker(&self) -> Speaker {
        self.writer.clone()
    }

    /// Starts the reader. Signals go to `control` at once, and pings are answered at once; other requests
    /// come out of the returned end, which closes when the connection does. `last_resort` runs when the job
    /// has not ended in good time after that.
    pub fn read_requests(
        &self,
        control: Arc<Control>,
        last_resort: impl FnOnce() + Send + 'static,
    ) -> Result<Receiver<ToAgent>, String> {
        let file = self.reads.try_clone().map_err(|e| format!("duplicate the connection: {e}"))?;
        let (requests, received) = channel();
        let writer = self.writer.clone();
        let reader = move || {
            read_until_end(file, &control, &writer, &requests);
            drop(requests);
            control.hang_up();
            // The main thread ends the agent as soon as the job has stopped and its files are removed. A job
            // that cannot be stopped must not keep the instance alive.
            std::thread::sleep(std::time::Duration::from_secs(5));
            last_resort();
        };
        let named = std::thread::Builder::new().name("link".into()).stack_size(256 << 10);
        named.spawn(reader).map_err(|e| format!("start the reading thread: {e}"))?;
        Ok(received)
    }
}

/// Reads until the connection ends, fails or sends an invalid message. After any of these, the host is lost.
fn read_until_end(mut file: File, control: &Control, writer: &Speaker, requests: &Sender<ToAgent>) {
    let mut buffer = FrameBuffer::default();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => buffer.feed(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        loop {
            match buffer.next_message() {
                Ok(None) => break,
                Ok(Some(ToAgent::Signal(signal))) => control.signal(signal),
                Ok(Some(ToAgent::Ping)) => {
                    if writer.send(&FromAgent::Pong { clock_ns: clock::now_ns() }).is_err() {
                        return;
                    }
                }
                Ok(Some(request)) => {
                    if requests.send(request).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// Waits until the port's other end is open. The kernel learns of that a moment after the port appears; until
/// then a read gives an end of file that is none, and `poll` says `HUP`, which cannot be waited away.
fn wait_for_peer(file: &File) -> Result<(), String> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        let mut fds = [PollFd::new(file, PollFlags::OUT)];
        match poll(&mut fds, Some(&at_once)) {
            Ok(_) if !fds[0].revents().contains(PollFlags::HUP) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => std::thread::sleep(std::time::Duration::from_micros(200)),
            Err(error) => return Err(format!("wait for the host at the virtio port: {error}")),
        }
    }
}

fn find_port(name: &str) -> Option<PathBuf> {
    std::fs::read_dir(PORTS).ok()?.filter_map(Result::ok).find_map(|entry| {
        let found = std::fs::read_to_string(entry.path().join("name")).ok()?;
        (found.trim_end() == name).then(|| Path::new("/dev").join(entry.file_name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    #[test]
    fn a_serial_line_carries_every_byte() {
        let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&host).and_then(|()| unlockpt(&host)).expect("unlocked");
        let name = ptsname(&host, Vec::new()).expect("named").into_string().expect("text");
        let channel = Channel::Device(name.into());
        let link = Link::open(&channel, &mut || Err("it is there".into())).expect("opened");
        let bytes: Vec<u8> = (0..=255).collect();
        let mut host = File::from(host);
        link.writer.write(&bytes).expect("written");
        let mut got = [0; 256];
        host.read_exact(&mut got).expect("read");
        assert_eq!(got[..], bytes);
        host.write_all(&bytes).expect("written");
        let mut reads = &link.reads;
        reads.read_exact(&mut got).expect("read");
        assert_eq!(got[..], bytes);
    }

    #[test]
    fn a_device_that_is_not_there_is_waited_for() {
        for channel in [Channel::Port("p".into()), Channel::Device("/dev/no-such-line".into())] {
            let error = Link::open(&channel, &mut || Err("no news".into())).err().expect("an error");
            assert!(error.contains("no news"), "{error}");
        }
    }
}
