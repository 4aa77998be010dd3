//! Libvirt's shell, `virsh`, as calls that end by a deadline.

use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::output_of;
use std::path::PathBuf;

/// `virsh` with the daemon that it talks to.
#[derive(Clone, Debug)]
pub(super) struct Virsh {
    pub(super) program: PathBuf,
    pub(super) uri: String,
}

impl Virsh {
    /// Where it is.
    pub(super) fn find(uri: &str) -> Result<Self, Unavailable> {
        let program = crate::installed::program("virsh", "Debian: libvirt-clients")?;
        Ok(Self { program, uri: uri.to_owned() })
    }

    /// Runs a command; gives what it prints.
    pub(super) fn run(&self, arguments: &[&str], deadline: &Deadline) -> Result<String, DriverError> {
        let line = || format!("virsh -c {} {}", self.uri, arguments.join(" "));
        let words = [&["-q", "-c", &self.uri], arguments].concat();
        let output = output_of(&self.program, &words, deadline).map_err(|e| e.during("run", line()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Err(DriverError::failed("run", line(), said.join("; ")))
    }

    /// Whether there is a domain of this name, running or not.
    fn knows(&self, name: &str, deadline: &Deadline) -> Result<bool, DriverError> {
        let names = self.run(&["list", "--all", "--name"], deadline)?;
        Ok(names.lines().any(|line| line.trim() == name))
    }

    /// Ends a transient domain, with which it is gone; true if it was there.
    pub(super) fn destroy(&self, name: &str, deadline: &Deadline) -> Result<bool, DriverError> {
        if !self.knows(name, deadline)? {
            return Ok(false);
        }
        match self.run(&["destroy", name], deadline) {
            Ok(_) => Ok(true),
            // It may have ended by itself in between.
            Err(error) => match self.knows(name, deadline)? {
                true => Err(error),
                false => Ok(true),
            },
        }
    }
}
