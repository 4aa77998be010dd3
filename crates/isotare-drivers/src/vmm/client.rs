//! A monitor's interface: requests that set or start something, one after another.

use crate::http::{Connection, Content, Http, HttpError};
use hyper::{Method, StatusCode};
use isotare_core::{Deadline, DriverError};
use isotare_host::{WaitError, pause, readable};
use rustix::fs::inotify;
use serde_json::Value;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

/// Pause before the next try. There is a short time between the bind of a socket and its listen, and the
/// kernel does not report its end.
const AGAIN: Duration = Duration::from_micros(200);
/// Maximum length of a quoted refusal.
const TOLD: usize = 1000;

/// A request that sets something, or makes something happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

impl Request {
    /// The method is `PUT`.
    pub(crate) fn put(path: &str, body: impl Into<Option<Value>>) -> Self {
        Self { path: path.to_owned(), body: body.into() }
    }
}

/// A connection to one monitor.
pub(crate) struct Client {
    connection: Connection,
    http: Http,
}

impl Client {
    /// Connects as soon as the socket exists. `process` is the pidfd of the process that makes it.
    pub(crate) fn connect(
        socket: &Path,
        process: BorrowedFd<'_>,
        deadline: &Deadline,
    ) -> Result<Self, WaitError> {
        let http = Http::new()?;
        let connection = connect(&http, socket, process, deadline)?;
        Ok(Self { connection, http })
    }

    /// Makes a request, and waits for the answer that it is done.
    pub(crate) fn call(&mut self, request: &Request, deadline: &Deadline) -> Result<(), DriverError> {
        const ASK: &str = "ask the monitor";
        let subject = || format!("PUT {}", request.path);
        let content = request.body.as_ref().map_or(Content::Nothing, Content::Json);
        let answer = self.http.ask(&mut self.connection, Method::PUT, &request.path, content, deadline);
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(DriverError::failed(ASK, subject(), refusal(answer.status, &answer.body))),
            Err(HttpError::Wait(error)) => Err(error.during(ASK, subject())),
            Err(error) => Err(DriverError::failed(ASK, subject(), error)),
        }
    }
}

/// The text of an error answer. Monitors send JSON, which is quoted unchanged.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said: String = String::from_utf8_lossy(body).trim().chars().take(TOLD).collect();
    match said.is_empty() {
        true => format!("HTTP {status}"),
        false => format!("{said} (HTTP {})", status.as_u16()),
    }
}

/// Waits for the socket by watching its folder (inotify(7)).
fn connect(
    http: &Http,
    socket: &Path,
    process: BorrowedFd<'_>,
    deadline: &Deadline,
) -> Result<Connection, WaitError> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)
        .and_then(|watch| {
            inotify::add_watch(&watch, folder, inotify::WatchFlags::CREATE)?;
            Ok(watch)
        })
        .map_err(io::Error::from)?;
    let mut events = [0; 4096];
    loop {
        match http.connect(socket, deadline) {
            Ok(connection) => return Ok(connection),
            Err(HttpError::Unconnected(error)) if error.kind() == io::ErrorKind::NotFound => {
                readable(watch.as_fd(), Some(process), deadline)?;
                // The name of the file does not matter, because the next try shows whether it was the socket.
                let _events = rustix::io::read(&watch, &mut events);
            }
            Err(HttpError::Unconnected(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                pause(AGAIN, deadline)?;
            }
            Err(HttpError::Wait(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use isotare_host::{Spawn, deadline_in};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    fn soon() -> Deadline {
        deadline_in(Duration::from_secs(10), &Interrupt::default())
    }

    /// Answers the requests of one connection with these texts. Returns the requests.
    fn serve(listener: UnixListener, answers: Vec<&'static str>) -> std::thread::JoinHandle<Vec<String>> {
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let ask = |answer: &str| {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).expect("a request");
                stream.write_all(answer.as_bytes()).expect("answered");
                String::from_utf8_lossy(&piece[..count]).into_owned()
            };
            answers.into_iter().map(ask).collect()
        })
    }

    #[test]
    fn requests_share_a_connection_and_a_refusal_has_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let asked = serve(
            UnixListener::bind(&path).expect("bound"),
            vec![
                "HTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 400 Bad Request\r\nContent-Length: 29\r\n\r\n{\"fault_message\":\"too small\"}\n",
            ],
        );
        let child = Spawn::new("/bin/sleep").arg("60").start().expect("started");
        let mut client = Client::connect(&path, child.pidfd(), &soon()).expect("connected");
        let body = serde_json::json!({"vcpu_count": 1});
        client.call(&Request::put("/machine", body), &soon()).expect("done");
        let error = client.call(&Request::put("/actions", None), &soon()).expect_err("refused");
        let error = isotare_core::with_sources(&error);
        assert_eq!(error, "ask the monitor PUT /actions: {\"fault_message\":\"too small\"} (HTTP 400)");
        let asked = asked.join().expect("served");
        assert!(asked[0].starts_with("PUT /machine HTTP/1.1\r\n"), "{asked:?}");
        assert!(asked[0].ends_with("\r\n\r\n{\"vcpu_count\":1}"), "{asked:?}");
        assert!(asked[1].starts_with("PUT /actions HTTP/1.1\r\n"), "{asked:?}");
    }

    #[test]
    fn a_late_socket_is_waited_for_until_the_monitor_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let late = path.clone();
        let server = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            UnixListener::bind(late).expect("bound").accept().expect("a connection");
        });
        let child = Spawn::new("/bin/sleep").arg("60").start().expect("started");
        Client::connect(&path, child.pidfd(), &soon()).map(drop).expect("connected");
        server.join().expect("served");
        let gone = Spawn::new("/bin/true").start().expect("started");
        let died = Client::connect(&folder.path().join("t"), gone.pidfd(), &soon());
        assert!(matches!(died, Err(WaitError::Died)));
    }
}
