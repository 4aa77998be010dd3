//! The connection to the host: opening it, its writer, and the thread that reads it.
//!
//! Reading has a thread of its own for the whole life of the agent. It sleeps in the kernel while a job runs, and so a
//! signal or the end of the connection reaches the job without anything polling beside the measured work.

use crate::control::Control;
use isotare_protocol::{FrameBuffer, FromAgent, Hello, ToAgent, encode, encode_hello};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

const PORTS: &str = "/sys/class/virtio-ports";

/// The writing half.
pub struct Link {
    file: File,
}

impl Link {
    /// Connects to the host's listening socket.
    pub fn connect(path: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(path).map_err(|e| format!("connect to {}: {e}", path.display()))?;
        Ok(Self { file: File::from(OwnedFd::from(stream)) })
    }

    /// Opens the virtio-serial port of this name. While it is not there, `wait` is called to wait for a new device.
    pub fn open_port(name: &str, wait: &mut dyn FnMut() -> Result<(), String>) -> Result<Self, String> {
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
        Ok(Self { file })
    }

    /// Says hello, the first frame.
    pub fn hello(&mut self, hello: &Hello) -> Result<(), String> {
        let frame = encode_hello(hello).map_err(|e| format!("encode the hello: {e}"))?;
        self.file.write_all(&frame).map_err(|e| format!("write to the host: {e}"))
    }

    /// Sends a message.
    pub fn send(&mut self, message: &FromAgent) -> Result<(), String> {
        let frame = encode(message).map_err(|e| format!("encode a message: {e}"))?;
        self.file.write_all(&frame).map_err(|e| format!("write to the host: {e}"))
    }

    /// Starts the reader. Signals go to `control` at once; other requests come out of the returned end, which closes
    /// when the connection does. `last_resort` runs when the job has not ended in good time after that.
    pub fn read_requests(
        &self,
        control: Arc<Control>,
        last_resort: impl FnOnce() + Send + 'static,
    ) -> Result<Receiver<ToAgent>, String> {
        let file = self.file.try_clone().map_err(|e| format!("duplicate the connection: {e}"))?;
        let (requests, received) = channel();
        let reader = move || {
            read_until_end(file, &control, &requests);
            drop(requests);
            control.hang_up();
            // The main thread ends the agent as soon as the job has stopped and its files are removed. A job that
            // cannot be stopped must not keep the instance alive.
            std::thread::sleep(std::time::Duration::from_secs(5));
            last_resort();
        };
        let named = std::thread::Builder::new().name("link".into()).stack_size(256 << 10);
        named.spawn(reader).map_err(|e| format!("start the reading thread: {e}"))?;
        Ok(received)
    }
}

/// Reads until the connection ends, breaks or carries what is no message: after any of these the host is lost.
fn read_until_end(mut file: File, control: &Control, requests: &Sender<ToAgent>) {
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

/// Waits until the port's other end is open. The kernel learns of that a moment after the port appears; until then a
/// read gives an end of file that is none, and `poll` says `HUP`, which cannot be waited away.
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
