//! HTTP/1.1 over Unix sockets as blocking calls, each of which ends by a deadline and reads no more than
//! [`LARGEST`].

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use isotare_core::{Cause, Deadline};
use isotare_host::{WaitError, now};
use serde_json::Value;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

/// Longest time until an interrupt is noticed.
const SLICE: Duration = Duration::from_millis(50);
/// Maximum size of an answer, bytes. It is many times larger than the answers of all daemons and monitors.
pub(crate) const LARGEST: usize = 16 << 20;

/// The body of a request, as it is sent.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// What is sent with a request.
pub(crate) enum Content<'a> {
    Nothing,
    Json(&'a Value),
    /// Bytes whose content type the server detects.
    Stream(Body),
}

/// Where requests are made from.
pub(crate) struct Http {
    runtime: Runtime,
}

/// A connection to one server, for one request after another.
pub(crate) struct Connection(SendRequest<Body>);

/// An answer of a server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nothing accepts the connection.
    #[error(transparent)]
    Unconnected(io::Error),
    /// It took too long, or the user wants to stop.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The connection failed, or the answer is too long.
    #[error(transparent)]
    Broken(Cause),
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

impl Http {
    /// Connects to nobody yet.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { runtime: Builder::new_current_thread().enable_all().build()? })
    }

    /// Connects to the server at this socket.
    pub(crate) fn connect(&self, socket: &Path, deadline: &Deadline) -> Result<Connection, HttpError> {
        let greeting = async {
            let stream = UnixStream::connect(socket).await.map_err(HttpError::Unconnected)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
            // It ends with the connection. The next request reports the error.
            tokio::spawn(connection);
            Ok(Connection(sender))
        };
        until(&self.runtime, deadline, greeting)?
    }

    /// Makes a request and reads the whole answer, with any status.
    pub(crate) fn ask(
        &self,
        connection: &mut Connection,
        method: Method,
        path: &str,
        content: Content<'_>,
        deadline: &Deadline,
    ) -> Result<Answer, HttpError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(ACCEPT, "application/json");
        let body = match content {
            // The content type is sent also for an empty body.
            Content::Nothing => {
                request = request.header(CONTENT_TYPE, "application/json");
                full(Bytes::new())
            }
            Content::Json(value) => {
                request = request.header(CONTENT_TYPE, "application/json");
                full(value.to_string().into())
            }
            Content::Stream(body) => body,
        };
        let request = request.body(body).map_err(|error| HttpError::Broken(error.into()))?;
        let exchange = async {
            let answer = connection.0.send_request(request).await.map_err(broken)?;
            let (head, body) = answer.into_parts();
            match Limited::new(body, LARGEST).collect().await {
                Ok(body) => Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() }),
                Err(error) if error.is::<LengthLimitError>() => Err(HttpError::Broken(
                    format!("the answer to {path} has more than {} MiB and is not read", LARGEST >> 20)
                        .into(),
                )),
                Err(error) => Err(HttpError::Broken(error)),
            }
        };
        until(&self.runtime, deadline, exchange)?
    }
}

fn broken(error: hyper::Error) -> HttpError {
    HttpError::Broken(error.into())
}

/// Runs a future until it ends, or until the deadline or an interrupt.
pub(crate) fn until<F: Future>(
    runtime: &Runtime,
    deadline: &Deadline,
    future: F,
) -> Result<F::Output, WaitError> {
    runtime.block_on(async {
        let mut future = pin!(future);
        loop {
            if deadline.interrupt.is_raised() {
                return Err(WaitError::Interrupted);
            }
            let left = deadline.at.since(now());
            match tokio::time::timeout(left.min(SLICE), future.as_mut()).await {
                Ok(output) => return Ok(output),
                Err(_) if left.is_zero() => return Err(WaitError::TimedOut),
                Err(_) => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use isotare_host::deadline_in;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// Accepts a connection and reads a request. Answers with `head`, and then with the same piece again and
    /// again, as long as the client reads.
    fn endless(
        listener: UnixListener,
        head: &'static str,
        piece: &'static [u8],
    ) -> std::thread::JoinHandle<u64> {
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let _asked = stream.read(&mut [0; 4096]).expect("a request");
            stream.write_all(head.as_bytes()).expect("answered");
            let mut sent = 0;
            while stream.write_all(piece).is_ok() {
                sent += piece.len() as u64;
            }
            sent
        })
    }

    #[test]
    fn an_endless_answer_is_read_only_up_to_a_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).expect("bound");
        let server = endless(listener, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &CHUNK);
        let deadline = deadline_in(Duration::from_secs(60), &Interrupt::default());
        let http = Http::new().expect("made");
        let mut connection = http.connect(&path, &deadline).expect("connected");
        let answer = http.ask(&mut connection, Method::GET, "/x", Content::Nothing, &deadline);
        let error = answer.expect_err("too long").to_string();
        assert_eq!(error, "the answer to /x has more than 16 MiB and is not read");
        drop((connection, http));
        let sent = server.join().expect("served");
        assert!(sent > LARGEST as u64 && sent < 2 * LARGEST as u64, "{sent}");
    }

    /// 64 KiB of zeros, as a chunk of HTTP.
    static CHUNK: [u8; 65536 + 9] = {
        let mut chunk = [b'0'; 65536 + 9];
        let (head, mut at) = (b"10000\r\n", 0);
        while at < head.len() {
            chunk[at] = head[at];
            at += 1;
        }
        let end = chunk.len() - 2;
        (chunk[end], chunk[end + 1]) = (b'\r', b'\n');
        chunk
    };

    #[test]
    fn waiting_for_an_answer_ends_at_the_deadline() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        // Connections are accepted by the kernel, but no one answers them.
        let _listener = UnixListener::bind(&path).expect("bound");
        let http = Http::new().expect("made");
        let soon = deadline_in(Duration::from_secs(60), &Interrupt::default());
        let mut connection = http.connect(&path, &soon).expect("connected");
        let late = deadline_in(Duration::from_millis(20), &Interrupt::default());
        let answer = http.ask(&mut connection, Method::GET, "/x", Content::Nothing, &late);
        assert!(matches!(answer, Err(HttpError::Wait(WaitError::TimedOut))), "{answer:?}");
        let nobody = http.connect(&folder.path().join("t"), &soon).map(drop);
        assert!(matches!(nobody, Err(HttpError::Unconnected(_))), "{nobody:?}");
    }
}
