//! Errors of the broker. They are sent as text.

use super::seccomp::SeccompError;
use libcontainer::error::LibcontainerError;
use std::io;

/// An error with the step it happened in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// A system call or a file operation.
    #[error("{0}: {1}")]
    Os(&'static str, #[source] io::Error),
    /// The runtime refused a step. The reason is in the sources of its error.
    #[error("{step}: {why}", step = .0, why = chain(.1.as_ref()))]
    Runtime(&'static str, #[source] Box<LibcontainerError>),
    /// The order cannot be expressed as a specification.
    #[error("container specification: {0}")]
    Spec(String),
    /// The filter table.
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    /// A program that the network needs.
    #[error("{0}")]
    Network(String),
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

/// An error with its sources, without repetitions (some texts already contain their source's).
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}
