//! Libvirt's shell, `virsh`, as calls with a deadline.

use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::output_of;
use std::path::{Path, PathBuf};

/// `virsh` with the daemon that it talks to.
#[derive(Clone, Debug)]
pub(super) struct Virsh {
    pub(super) program: PathBuf,
    pub(super) uri: String,
}

impl Virsh {
    /// Where it is. Only a daemon of this machine can be measured, and other addresses can name a program
    /// that `virsh` runs (`command=`, `netcat=`: <https://libvirt.org/uri.html>, "Remote URIs").
    pub(super) fn find(uri: &str) -> Result<Self, Unavailable> {
        if !is_local(uri) {
            return Err(Unavailable::new(
                format!("the libvirt daemon '{uri}' does not run on this machine"),
                "write it as qemu:///system or qemu:///session; if the socket is not the usual one, add \
                 ?socket=/path",
            ));
        }
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

    /// Ends a transient domain, which also removes it; true if it existed.
    pub(super) fn destroy(&self, name: &str, deadline: &Deadline) -> Result<bool, DriverError> {
        if !self.knows(name, deadline)? {
            return Ok(false);
        }
        match self.run(&["destroy", name], deadline) {
            Ok(_) => Ok(true),
            // It may have ended by itself meanwhile.
            Err(error) => match self.knows(name, deadline)? {
                true => Err(error),
                false => Ok(true),
            },
        }
    }
}

/// Whether it is the address of a Unix socket of this machine.
fn is_local(uri: &str) -> bool {
    let (place, options) = uri.split_once('?').unwrap_or((uri, ""));
    let is_place = ["qemu", "qemu+unix"].into_iter().any(|scheme| {
        let path = place.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(":///"));
        path.is_some_and(|path| ["system", "session"].contains(&path))
    });
    let is_socket =
        |option: &str| option.strip_prefix("socket=").is_some_and(|path| Path::new(path).is_absolute());
    is_place && (options.is_empty() || (is_socket(options) && !options.contains(['&', '#'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_this_machine_are_addresses() {
        for uri in ["qemu:///system", "qemu:///session", "qemu+unix:///system?socket=/run/l/libvirt-sock"] {
            assert!(is_local(uri), "{uri}");
        }
        for uri in [
            "qemu+ssh://host/system",
            "qemu+ext:///system?command=/tmp/x",
            "qemu:///system?socket=/s&command=/tmp/x",
            "qemu+ssh:///system?netcat=/tmp/x",
            "test:///default",
            "--help",
            "",
        ] {
            assert!(!is_local(uri), "{uri}");
        }
    }
}
