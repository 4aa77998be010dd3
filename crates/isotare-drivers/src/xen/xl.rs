//! Xen's tools as calls that end by a deadline: xl(1), xenstore-read(1).

use crate::installed::program;
use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::{output_of, pause};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pause before the next look for the console, which another daemon makes. `xenstore-watch` reports only
/// changes after it has begun to watch, and it does not say when it begins.
const AGAIN: Duration = Duration::from_millis(2);
const PACKAGE: &str = "Debian: xen-utils-4.17 and xenstore-utils";

/// The tools.
#[derive(Clone, Debug)]
pub(super) struct Xl {
    xl: PathBuf,
    xenstore_read: PathBuf,
}

impl Xl {
    /// Where they are, if this is the control domain.
    pub(super) fn find() -> Result<Self, Unavailable> {
        Ok(Self { xl: program("xl", PACKAGE)?, xenstore_read: program("xenstore-read", PACKAGE)? })
    }

    /// Runs `xl`; gives what it prints.
    pub(super) fn run(&self, arguments: &[&str], deadline: &Deadline) -> Result<String, DriverError> {
        run(&self.xl, arguments, deadline)
    }

    /// The hypervisor's version, from `xl info`.
    pub(super) fn version(&self, deadline: &Deadline) -> Result<String, DriverError> {
        let info = self.run(&["info"], deadline)?;
        version_in(&info)
            .ok_or_else(|| DriverError::failed("read", "xl info", "it does not report xen_version"))
    }

    /// The number of a domain; `None` if there is no domain of this name.
    pub(super) fn number(&self, name: &str, deadline: &Deadline) -> Result<Option<u32>, DriverError> {
        Ok(number_in(&self.run(&["list"], deadline)?, name))
    }

    /// The terminal at which `xenconsoled` offers the domain's console.
    pub(super) fn console(&self, number: u32, deadline: &Deadline) -> Result<PathBuf, DriverError> {
        let key = format!("/local/domain/{number}/console/tty");
        loop {
            let found = output_of(&self.xenstore_read, &[&key], deadline)
                .map_err(|e| e.during("read from xenstore", key.clone()))?;
            let text = String::from_utf8_lossy(&found.stdout).trim().to_owned();
            if found.status.success() && !text.is_empty() {
                return Ok(text.into());
            }
            pause(AGAIN, deadline).map_err(|e| e.during("wait in xenstore for", key.clone()))?;
        }
    }

    /// Ends a domain; true if it was there.
    pub(super) fn destroy(&self, name: &str, deadline: &Deadline) -> Result<bool, DriverError> {
        if self.number(name, deadline)?.is_none() {
            return Ok(false);
        }
        match self.run(&["destroy", name], deadline) {
            Ok(_) => Ok(true),
            // It may have ended by itself meanwhile.
            Err(error) => match self.number(name, deadline)? {
                Some(_) => Err(error),
                None => Ok(true),
            },
        }
    }
}

fn run(program: &Path, arguments: &[&str], deadline: &Deadline) -> Result<String, DriverError> {
    let line = || format!("{} {}", program.display(), arguments.join(" "));
    let output = output_of(program, arguments, deadline).map_err(|e| e.during("run", line()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(DriverError::failed("run", line(), format!("{}: {}", output.status, said.join("; "))))
}

fn version_in(info: &str) -> Option<String> {
    let line = info.lines().find(|line| line.starts_with("xen_version"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The number in the second column of `xl list` for the name in its first.
fn number_in(list: &str, name: &str) -> Option<u32> {
    list.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_found_by_its_whole_name() {
        // The format of the list of xl 4.17.
        let list = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n\
                    Domain-0                                     0  1024     2     r-----      38.5\n\
                    s-t10                                        7   256     1     -b----       1.2\n";
        assert_eq!(number_in(list, "s-t10"), Some(7));
        assert_eq!(number_in(list, "s-t1"), None);
        assert_eq!(number_in("", "x"), None);
        assert_eq!(version_in("host : a\nxen_version            : 4.17.4\n").as_deref(), Some("4.17.4"));
    }
}
