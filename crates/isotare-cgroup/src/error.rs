//! The one error of this crate.

use std::io;
use std::path::Path;

/// An operation on a cgroup that did not work.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {subject}")]
pub struct CgroupError {
    /// What was being done, as `write`.
    pub operation: &'static str,
    /// To which file or group, and with what value.
    pub subject: String,
    /// What the kernel answered.
    pub source: io::Error,
}

impl CgroupError {
    pub(crate) fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { operation, subject: path.display().to_string(), source }
    }

    pub(crate) fn of(operation: &'static str, subject: impl Into<String>, source: io::Error) -> Self {
        Self { operation, subject: subject.into(), source }
    }
}
