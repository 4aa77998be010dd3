//! Checks what a driver reports about a runtime that is missing or broken.

use super::Subject;
use crate::bed::Bed;
use isotare_core::Settings;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Settings that name a program, a file or a socket.
const NAMING: [&str; 5] = ["binary", "socket", "address", "host", "kernel"];

/// Probes the driver with programs that fail, and with each setting of the list set to something that does
/// not exist.
pub(super) fn check(subject: &Subject<'_>) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/bin/sh\necho it is out of order >&2\nexit 3\n")
        .and_then(|()| fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)))
        .map_err(|error| error.to_string())?;
    let missing = folder.path().join("missing");
    for key in NAMING.into_iter().filter(|key| has(subject, key)) {
        refuses(subject, key, &missing)?;
        if key == "binary" {
            refuses(subject, key, &broken)?;
        }
    }
    Ok(())
}

fn has(subject: &Subject<'_>, key: &str) -> bool {
    subject.driver.settings().iter().any(|def| def.key == key)
}

fn refuses(subject: &Subject<'_>, key: &str, path: &Path) -> Result<(), String> {
    let value = match key {
        "host" if subject.driver.name() != "ssh" => format!("unix://{}", path.display()),
        "host" => "isotare-no-such-host.invalid".to_owned(),
        _ => path.display().to_string(),
    };
    let given = subject.spec.pairs().filter(|(name, _)| *name != key).chain([(key, value.as_str())]);
    let settings = Settings::check(subject.driver.name(), subject.driver.settings(), given)
        .map_err(|error| error.to_string())?;
    let mut bed = Bed::new(subject.agent)?;
    let probed = bed.probe(subject.driver, &settings);
    bed.leave(subject.driver)?;
    match probed {
        Ok(info) => Err(format!("with {key}={value} the probe found {info:?}")),
        Err(why) if why.reason.is_empty() || why.remedy.is_empty() => {
            Err(format!("with {key}={value} the probe gave no reason or no remedy: {why:?}"))
        }
        Err(_) => Ok(()),
    }
}
