//! The last step of a container's init process, in place of `libcontainer`'s own.

use super::seccomp;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::default::DefaultExecutor;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use rustix::process::{Signal, set_parent_process_death_signal};
use seccompiler::sock_filter;
use std::io;
use std::sync::Arc;

/// Ties the container's life to the broker's, loads the filter, and runs the program.
#[derive(Clone)]
pub(super) struct Filtered {
    program: Arc<[sock_filter]>,
}

impl Filtered {
    /// With a compiled filter.
    pub(super) fn new(program: Arc<[sock_filter]>) -> Self {
        Self { program }
    }
}

impl Executor for Filtered {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        seccomp::load(&self.program)
            .map_err(|error| ExecutorError::Other(format!("system call filter: {error}")))?;
        DefaultExecutor {}.exec(spec)
    }

    /// Runs after the capabilities were dropped, which clears a death signal set earlier, and before the wait
    /// for the start.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
            ExecutorValidationError::ArgValidationError(io::Error::from(error).to_string())
        })?;
        DefaultExecutor {}.validate(spec)
    }
}
