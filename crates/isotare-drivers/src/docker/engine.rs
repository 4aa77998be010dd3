//! The Engine API as blocking calls, each of which ends by a deadline.

use super::address::Address;
use crate::http::until;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, ClientVersion};
use isotare_core::{Cause, Deadline, DriverError, Unavailable};
use isotare_host::WaitError;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};

/// Oldest API that has all that is used here: of Docker 20.10.
const OLDEST: (usize, usize) = (1, 41);
/// The client's own limit for a request, seconds. Each call already has a deadline, so this limit has to be
/// longer.
const NO_LIMIT: u64 = 24 * 60 * 60;

/// A connection to one daemon.
pub(super) struct Engine {
    /// Where it listens.
    pub(super) address: Address,
    /// The API version in use.
    pub(super) version: (usize, usize),
    client: bollard::Docker,
    runtime: Runtime,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("not done by the deadline")]
    TimedOut,
    #[error("interrupted")]
    Interrupted,
    /// The daemon cannot be reached.
    #[error(transparent)]
    Gone(Unavailable),
    /// The daemon refused, with this HTTP status.
    #[error("the Docker daemon answered: {} (HTTP {status})", message.trim_end())]
    Refused { status: u16, message: String },
    /// The connection failed.
    #[error("the Docker daemon's answer is incomplete")]
    Broken(#[source] Cause),
}

impl Engine {
    /// Finds out which API version the daemon supports.
    pub(super) fn connect(address: Address, deadline: &Deadline) -> Result<Self, DriverError> {
        let speaks = address.api_version(deadline)?;
        if speaks < OLDEST {
            return Err(DriverError::Unavailable(Unavailable::new(
                format!(
                    "the Docker daemon at {address} supports only API {}.{} and older",
                    speaks.0, speaks.1
                ),
                format!("API {}.{} is needed: install Docker 20.10 or newer", OLDEST.0, OLDEST.1),
            )));
        }
        let newest = (API_DEFAULT_VERSION.major_version, API_DEFAULT_VERSION.minor_version);
        let version = speaks.min(newest);
        let spoken = ClientVersion { major_version: version.0, minor_version: version.1 };
        let client =
            bollard::Docker::connect_with_unix(&address.to_string(), NO_LIMIT, &spoken).map_err(|error| {
                DriverError::failed("connect to Docker daemon at", address.to_string(), error)
            })?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DriverError::failed("prepare client of", address.to_string(), error))?;
        Ok(Self { address, version, client, runtime })
    }

    /// Makes one request and waits for its answer.
    pub(super) fn call<'a, T, F>(
        &'a self,
        deadline: &Deadline,
        request: impl FnOnce(&'a bollard::Docker) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match until(&self.runtime, deadline, request(&self.client)) {
            Ok(answer) => answer.map_err(|error| self.explain(error)),
            Err(WaitError::TimedOut) => Err(CallError::TimedOut),
            Err(WaitError::Interrupted) => Err(CallError::Interrupted),
            Err(error) => Err(CallError::Broken(error.into())),
        }
    }

    fn explain(&self, error: Error) -> CallError {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                CallError::Refused { status: status_code, message }
            }
            Error::HyperLegacyError { err } if err.is_connect() => {
                CallError::Gone(self.address.connect().err().unwrap_or_else(|| {
                    Unavailable::new(
                        format!("the Docker daemon at {} did not accept a connection", self.address),
                        "look at its log (journalctl -u docker)",
                    )
                }))
            }
            other => CallError::Broken(other.into()),
        }
    }
}

impl CallError {
    /// The same as a driver's error, with the operation and its subject.
    pub(super) fn during(self, operation: &'static str, subject: impl Into<String>) -> DriverError {
        match self {
            CallError::TimedOut => DriverError::TimedOut { operation, subject: subject.into() },
            CallError::Interrupted => DriverError::Interrupted,
            CallError::Gone(unavailable) => DriverError::Unavailable(unavailable),
            CallError::Refused { .. } | CallError::Broken(_) => DriverError::failed(operation, subject, self),
        }
    }

    /// Whether the daemon answered with this HTTP status.
    pub(super) fn is_status(&self, wanted: u16) -> bool {
        matches!(self, CallError::Refused { status, .. } if *status == wanted)
    }
}
