//! Programs that a driver needs on the host: where they are, which version, and what to install when they are
//! not.

use isotare_core::{Deadline, Unavailable};
use isotare_host::{find_program, output_of};
use std::path::{Path, PathBuf};

/// The program of this name. `package` is what to install where it is missing, such as `Debian: bubblewrap`.
pub(crate) fn program(name: &str, package: &str) -> Result<PathBuf, Unavailable> {
    find_program(name)
        .ok_or_else(|| Unavailable::new(format!("there is no {name}"), format!("install it ({package})")))
}

/// The first line of what the program says to `arguments` (its version), or how it fails.
pub(crate) fn version(
    program: &Path,
    arguments: &[&str],
    deadline: &Deadline,
) -> Result<String, Unavailable> {
    let line = || format!("{} {}", program.display(), arguments.join(" "));
    let broken = |why: String| Unavailable::new(format!("{}: {why}", line()), "reinstall it");
    let output = output_of(program, arguments, deadline).map_err(|error| broken(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        return Err(broken(format!("{}: {}", output.status, text(&output.stderr))));
    }
    let said = [text(&output.stdout), text(&output.stderr)];
    let first = said.iter().flat_map(|text| text.lines()).next();
    first.map(str::to_owned).ok_or_else(|| broken("it did not print anything".to_owned()))
}

/// Returns an error without root, for `what`.
pub(crate) fn root_only(what: &str) -> Result<(), Unavailable> {
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err(Unavailable::new(format!("{what} needs root"), "run isotare as root")),
    }
}
