//! Debian systems made by mmdebstrap(1) from the distribution's packages.

use crate::error::{During, ImageError};
use isotare_core::Deadline;
use isotare_host::{Spawn, find_program};
use std::fs;
use std::path::{Path, PathBuf};

const PROGRAM: &str = "mmdebstrap";
/// Where the host is no Debian.
const SUITE: &str = "bookworm";
/// What a user's way to the packages depends on.
const PASSED: [&str; 7] =
    ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SOURCE_DATE_EPOCH"];

/// The host's own release if it is a Debian one, so that the same package names mean the same programs.
pub(crate) fn suite() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    codename(&release).unwrap_or_else(|| SUITE.to_owned())
}

fn codename(release: &str) -> Option<String> {
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    let codename = value("VERSION_CODENAME").filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()))?;
    (value("ID")? == "debian" && !codename.is_empty()).then_some(codename)
}

/// Writes a system with these packages as a tar archive into `folder`, which is empty, and gives its path.
pub(crate) fn make(
    suite: &str,
    packages: &[String],
    folder: &Path,
    deadline: &Deadline,
) -> Result<PathBuf, ImageError> {
    let subject = PathBuf::from(format!("{suite} with {}", packages.join(", ")));
    let about = |remedy| ("make Debian system", subject.as_path(), remedy);
    let program = find_program(PROGRAM)
        .ok_or("there is no mmdebstrap")
        .during(about("install it (Debian: mmdebstrap)"))?;
    let (archive, log) = (folder.join("system.tar"), folder.join("log"));
    let mut spawn = Spawn::new(program).args(["--variant=minbase", "--format=tar"]);
    if !packages.is_empty() {
        spawn = spawn.arg(format!("--include={}", packages.join(",")));
    }
    // Everything that it leaves when it is killed is removed with the folder.
    spawn = spawn.arg(suite).arg(&archive).env("TMPDIR", folder).output_to(&log);
    for (name, value) in PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))) {
        spawn = spawn.env(name, value);
    }
    let mut child = spawn.start().during(about("reinstall mmdebstrap"))?;
    let status = child.wait(deadline).map_err(|wait| ImageError::Stopped {
        operation: "make Debian system",
        subject: subject.display().to_string(),
        wait,
    })?;
    if !status.success() {
        let said = last_lines(&fs::read_to_string(&log).unwrap_or_default());
        let remedy = "check the names of the packages, and that Debian's archive is reachable";
        return Err(format!("mmdebstrap: {status}: {said}")).during(about(remedy));
    }
    Ok(archive)
}

/// Its errors (`E: …`), else the last thing it said.
fn last_lines(log: &str) -> String {
    let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("E: ")).take(3).collect();
    match errors.is_empty() {
        true => log.lines().last().unwrap_or("it did not print anything").to_owned(),
        false => errors.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_suite_is_taken_only_from_a_debian() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n"), Some("bookworm".to_owned()));
        assert_eq!(codename("ID=\"debian\"\nVERSION_CODENAME=\"trixie\"\n"), Some("trixie".to_owned()));
        assert_eq!(codename("ID=ubuntu\nVERSION_CODENAME=noble\n"), None);
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=--x\n"), None);
        assert_eq!(codename(""), None);
    }

    #[test]
    fn errors_in_the_log_are_quoted_and_progress_is_not() {
        let log = "I: installing\nE: Unable to locate package nope\nE: apt-get failed\nI: removing tempdir\n";
        assert_eq!(last_lines(log), "E: Unable to locate package nope; E: apt-get failed");
        assert_eq!(last_lines("a\nb\n"), "b");
    }
}
