//! Errors of images.

use isotare_core::{DriverError, Unavailable, with_sources};
use isotare_host::WaitError;
use std::error::Error;
use std::io;
use std::path::Path;

/// An image that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It does not exist, is damaged, or cannot be unpacked.
    #[error("{operation} {subject}")]
    Failed {
        /// What was being done.
        operation: &'static str,
        /// To what, as a path.
        subject: String,
        /// Why it did not work.
        source: Box<dyn Error + Send + Sync>,
        /// What the user can do.
        remedy: &'static str,
    },
    /// The deadline passed, or the user stopped it.
    #[error("{operation} {subject}")]
    Stopped {
        /// What was being done.
        operation: &'static str,
        /// To what.
        subject: String,
        /// How it was stopped.
        #[source]
        wait: WaitError,
    },
}

/// What was being done, to what, and what the user can do when it does not work.
pub(crate) type Step<'a> = (&'static str, &'a Path, &'static str);

/// Names the step of any cause.
pub(crate) trait During<T> {
    fn during(self, step: Step<'_>) -> Result<T, ImageError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> During<T> for Result<T, E> {
    fn during(self, (operation, subject, remedy): Step<'_>) -> Result<T, ImageError> {
        let subject = || subject.display().to_string();
        self.map_err(|cause| match stop(cause.into()) {
            Ok(wait) => ImageError::Stopped { operation, subject: subject(), wait },
            Err(source) => ImageError::Failed { operation, subject: subject(), source, remedy },
        })
    }
}

/// The deadline or the user's wish that ended a reading; any other cause as it is.
fn stop(cause: Box<dyn Error + Send + Sync>) -> Result<WaitError, Box<dyn Error + Send + Sync>> {
    let error = *cause.downcast::<io::Error>()?;
    Ok(error.downcast::<WaitError>()?)
}

impl From<ImageError> for DriverError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Failed { remedy, .. } => Unavailable::new(with_sources(&error), remedy).into(),
            ImageError::Stopped { operation, subject, wait } => wait.during(operation, subject),
        }
    }
}
