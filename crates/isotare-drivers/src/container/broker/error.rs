//! Errors of the broker. They are sent as text, with their causes.

use super::seccomp::SeccompError;
use isotare_core::{Cause, DriverError};
use libcontainer::error::LibcontainerError;
use std::io;

/// An error with the step it happened in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// A system call or a file operation.
    #[error("{0}")]
    Os(&'static str, #[source] io::Error),
    /// The runtime refused a step.
    #[error("{0}")]
    Runtime(&'static str, #[source] Box<LibcontainerError>),
    /// The order cannot be expressed as a specification.
    #[error("container specification")]
    Spec(#[source] Cause),
    /// The filter table.
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    /// A program that the network needs refused.
    #[error("connect the network with {0}")]
    Network(String, #[source] Cause),
    /// The host's end of a link.
    #[error(transparent)]
    HostEnd(DriverError),
    /// An unexpected request.
    #[error("the session sent a request that the broker does not know")]
    Protocol,
    /// No container of that name.
    #[error("no container {0:?}")]
    Unknown(String),
}

/// Names the step of an `io` or `rustix` error.
pub(crate) trait Step<T> {
    /// Adds the name.
    fn step(self, step: &'static str) -> Result<T, BrokerError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, BrokerError> {
        self.map_err(|error| BrokerError::Os(step, error.into()))
    }
}

/// Names the step of an error of the runtime.
pub(super) fn runtime(step: &'static str) -> impl FnOnce(LibcontainerError) -> BrokerError {
    move |error| BrokerError::Runtime(step, Box::new(error))
}
