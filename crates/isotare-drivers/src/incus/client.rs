//! The REST API as blocking calls, each of which ends by a deadline.

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::{WaitError, now};
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

/// Longest time in which a wish to stop goes unnoticed.
const SLICE: Duration = Duration::from_millis(50);
/// Pieces in which a file is sent.
const CHUNK: usize = 1 << 20;

type Body = BoxBody<Bytes, io::Error>;

/// A daemon's socket.
pub(super) struct Client {
    /// Where it listens.
    pub(super) socket: PathBuf,
    runtime: Runtime,
}

/// A call without the wanted answer.
#[derive(Debug)]
pub(super) enum CallError {
    TimedOut,
    Interrupted,
    /// There is nobody to ask.
    Gone(PathBuf, io::Error),
    /// The daemon refused, with this HTTP status.
    Refused {
        status: u64,
        message: String,
    },
    /// The conversation broke.
    Broken(String),
}

impl CallError {
    /// Whether the daemon knows no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, CallError::Refused { status: 404, .. })
    }

    /// The same as a driver's error: what was being done, to what.
    pub(super) fn during(self, operation: &'static str, subject: impl Into<String>) -> DriverError {
        match self {
            CallError::TimedOut => DriverError::TimedOut { operation, subject: subject.into() },
            CallError::Interrupted => DriverError::Interrupted,
            CallError::Gone(socket, error) => DriverError::Unavailable(Unavailable::new(
                format!("no daemon takes a connection at {}: {error}", socket.display()),
                "start it, run as root or join its group, or name another with socket=/path",
            )),
            CallError::Refused { message, .. } | CallError::Broken(message) => {
                DriverError::failed(operation, subject, message)
            }
        }
    }
}

impl From<WaitError> for CallError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => CallError::TimedOut,
            WaitError::Interrupted => CallError::Interrupted,
            other => CallError::Broken(other.to_string()),
        }
    }
}

impl Client {
    /// For the daemon at this socket. Nothing is asked yet.
    pub(super) fn new(socket: PathBuf) -> Result<Self, DriverError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DriverError::failed("prepare client of", socket.display().to_string(), error))?;
        Ok(Self { socket, runtime })
    }

    /// Asks for something.
    pub(super) fn get(&self, path: &str, deadline: &Deadline) -> Result<Value, CallError> {
        self.request("GET", path, full(Bytes::new()), deadline)
    }

    /// Has something done that takes its time, and waits for its end.
    pub(super) fn act(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        deadline: &Deadline,
    ) -> Result<Value, CallError> {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let answer = self.request(method, path, full(bytes), deadline)?;
        self.finish(answer, deadline)
    }

    /// Posts a file's content, and waits for the end of what that begins.
    pub(super) fn upload(&self, path: &str, mut file: File, deadline: &Deadline) -> Result<Value, CallError> {
        let pieces = std::iter::from_fn(move || {
            let mut piece = Vec::with_capacity(CHUNK);
            match (&mut file).take(CHUNK as u64).read_to_end(&mut piece) {
                Ok(0) => None,
                Ok(_) => Some(Ok(Frame::data(piece.into()))),
                Err(error) => Some(Err(error)),
            }
        });
        let answer = self.request("POST", path, StreamBody::new(stream::iter(pieces)).boxed(), deadline)?;
        self.finish(answer, deadline)
    }

    /// Waits for the operation that an answer tells of, if it does.
    fn finish(&self, answer: Value, deadline: &Deadline) -> Result<Value, CallError> {
        let Some(operation) = answer["operation"].as_str().filter(|path| !path.is_empty()) else {
            return Ok(answer);
        };
        let ended = self.get(&format!("{operation}/wait?timeout=-1"), deadline)?;
        let metadata = &ended["metadata"];
        match metadata["err"].as_str().filter(|error| !error.is_empty()) {
            Some(error) => {
                let status = metadata["status_code"].as_u64().unwrap_or_default();
                Err(CallError::Refused { status, message: error.to_owned() })
            }
            None => Ok(metadata["metadata"].clone()),
        }
    }

    fn request(&self, method: &str, path: &str, body: Body, deadline: &Deadline) -> Result<Value, CallError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost")
            .body(body)
            .map_err(|error| CallError::Broken(error.to_string()))?;
        self.runtime.block_on(async {
            let mut answer = pin!(converse(&self.socket, request));
            loop {
                if deadline.interrupt.is_raised() {
                    return Err(CallError::Interrupted);
                }
                let left = deadline.at.since(now());
                match tokio::time::timeout(left.min(SLICE), answer.as_mut()).await {
                    Ok(answer) => return answer,
                    Err(_) if left.is_zero() => return Err(CallError::TimedOut),
                    Err(_) => {}
                }
            }
        })
    }
}

/// One request on a connection of its own.
async fn converse(socket: &Path, request: Request<Body>) -> Result<Value, CallError> {
    let broken = |error: hyper::Error| CallError::Broken(error.to_string());
    let stream =
        UnixStream::connect(socket).await.map_err(|error| CallError::Gone(socket.to_owned(), error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driven = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    driven.abort();
    read(status, &body)
}

/// An answer's body, or the error in it.
fn read(status: StatusCode, body: &[u8]) -> Result<Value, CallError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| CallError::Broken(format!("an answer that is no JSON ({status}): {error}")))?;
    match value["error"].as_str().filter(|error| !error.is_empty()) {
        Some(error) => {
            let status = value["error_code"].as_u64().unwrap_or_else(|| status.as_u16().into());
            Err(CallError::Refused { status, message: error.to_owned() })
        }
        None => Ok(value),
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    // From Incus 6.0.4.
    #[test]
    fn an_error_is_told_by_its_body() {
        let body = br#"{"type":"error","status":"","status_code":0,"operation":"","error_code":404,"error":"Instance not found","metadata":null}"#;
        let error = read(StatusCode::NOT_FOUND, body).expect_err("refused");
        assert!(error.is_absent(), "{error:?}");
        assert_eq!(error.during("look at", "x").to_string(), "look at x: Instance not found");
        let body = br#"{"type":"sync","status":"Success","status_code":200,"operation":"","error_code":0,"error":"","metadata":[]}"#;
        assert!(read(StatusCode::OK, body).is_ok());
        assert!(matches!(read(StatusCode::OK, b"<html>"), Err(CallError::Broken(_))));
    }
}
