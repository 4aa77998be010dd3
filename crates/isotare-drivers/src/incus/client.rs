//! The REST API as blocking calls, each of which ends by a deadline.

use crate::http::{Answer, Content, Http, HttpError};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Method, StatusCode};
use isotare_core::{Cause, Deadline, DriverError, Unavailable, with_sources};
use isotare_host::WaitError;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Pieces in which a file is sent.
const CHUNK: usize = 1 << 20;

/// A daemon's socket.
pub(super) struct Client {
    /// Where it listens.
    pub(super) socket: PathBuf,
    http: Http,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("not done by the deadline")]
    TimedOut,
    #[error("interrupted")]
    Interrupted,
    /// There is no daemon.
    #[error("no daemon accepts a connection at {}", .0.display())]
    Gone(PathBuf, #[source] io::Error),
    /// The daemon refused, with this HTTP status.
    #[error("{message}")]
    Refused { status: u64, message: String },
    /// The connection failed.
    #[error(transparent)]
    Broken(Cause),
    /// It was something else that answered.
    #[error("the answer is not JSON ({status})")]
    NoJson { status: StatusCode, source: serde_json::Error },
}

impl CallError {
    /// Whether the daemon does not know it.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, CallError::Refused { status: 404, .. })
    }

    /// The same as a driver's error, with the operation and its subject.
    pub(super) fn during(self, operation: &'static str, subject: impl Into<String>) -> DriverError {
        match self {
            CallError::TimedOut => DriverError::TimedOut { operation, subject: subject.into() },
            CallError::Interrupted => DriverError::Interrupted,
            CallError::Gone(..) => DriverError::Unavailable(Unavailable::new(
                with_sources(&self),
                "start it, run isotare as root or as a member of its group, or name another socket with \
                 socket=/path",
            )),
            CallError::Refused { .. } | CallError::Broken(_) | CallError::NoJson { .. } => {
                DriverError::failed(operation, subject, self)
            }
        }
    }
}

impl From<WaitError> for CallError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => CallError::TimedOut,
            WaitError::Interrupted => CallError::Interrupted,
            other => CallError::Broken(other.into()),
        }
    }
}

impl From<HttpError> for CallError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Wait(error) => error.into(),
            other => CallError::Broken(other.into()),
        }
    }
}

impl Client {
    /// For the daemon at this socket. No request is sent yet.
    pub(super) fn new(socket: PathBuf) -> Result<Self, DriverError> {
        let http = Http::new()
            .map_err(|error| DriverError::failed("prepare client of", socket.display().to_string(), error))?;
        Ok(Self { socket, http })
    }

    /// Asks for something.
    pub(super) fn get(&self, path: &str, deadline: &Deadline) -> Result<Value, CallError> {
        self.request(Method::GET, path, Content::Nothing, deadline)
    }

    /// Starts a long operation and waits for its end.
    pub(super) fn act(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        deadline: &Deadline,
    ) -> Result<Value, CallError> {
        let content = body.map_or(Content::Nothing, Content::Json);
        let answer = self.request(method, path, content, deadline)?;
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
        let content = Content::Stream(StreamBody::new(stream::iter(pieces)).boxed());
        let answer = self.request(Method::POST, path, content, deadline)?;
        self.finish(answer, deadline)
    }

    /// Waits for the operation that an answer names, if it names one.
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

    /// One request on a connection of its own.
    fn request(
        &self,
        method: Method,
        path: &str,
        content: Content<'_>,
        deadline: &Deadline,
    ) -> Result<Value, CallError> {
        let mut connection = self.http.connect(&self.socket, deadline).map_err(|error| match error {
            HttpError::Unconnected(error) => CallError::Gone(self.socket.clone(), error),
            other => other.into(),
        })?;
        read(&self.http.ask(&mut connection, method, path, content, deadline)?)
    }
}

/// An answer's body, or the error in it.
fn read(answer: &Answer) -> Result<Value, CallError> {
    let status = answer.status;
    let value: Value =
        serde_json::from_slice(&answer.body).map_err(|source| CallError::NoJson { status, source })?;
    match value["error"].as_str().filter(|error| !error.is_empty()) {
        Some(error) => {
            let status = value["error_code"].as_u64().unwrap_or_else(|| status.as_u16().into());
            Err(CallError::Refused { status, message: error.to_owned() })
        }
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{HeaderMap, StatusCode};

    fn answer(status: StatusCode, body: &'static str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into() }
    }

    // From Incus 6.0.4.
    #[test]
    fn an_error_is_read_from_the_body() {
        let body = r#"{"type":"error","status":"","status_code":0,"operation":"","error_code":404,"error":"Instance not found","metadata":null}"#;
        let error = read(&answer(StatusCode::NOT_FOUND, body)).expect_err("refused");
        assert!(error.is_absent(), "{error:?}");
        assert_eq!(with_sources(&error.during("look at", "x")), "look at x: Instance not found");
        let body = r#"{"type":"sync","status":"Success","status_code":200,"operation":"","error_code":0,"error":"","metadata":[]}"#;
        assert!(read(&answer(StatusCode::OK, body)).is_ok());
        assert!(matches!(read(&answer(StatusCode::OK, "<html>")), Err(CallError::NoJson { .. })));
    }
}
