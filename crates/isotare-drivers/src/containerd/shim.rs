//! The shim: a process that runs next to each container.

use isotare_core::{Deadline, DriverError, Resource};
use isotare_host::{Swept, identify, sweep};
use std::fs;
use std::path::Path;

/// The parent of a container's first process: shims adopt what their runtime starts. Field 4 of
/// proc_pid_stat(5).
pub(super) fn of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok().filter(|&parent| parent > 1)
}

/// Kills the shim of a container that containerd does not know any more. This happens if its client was
/// killed during the start (seen with 1.6.20). True if there was one.
pub(super) fn end(
    address: &Path,
    namespace: &str,
    id: &str,
    deadline: &Deadline,
) -> Result<bool, DriverError> {
    let mut found = false;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if !serves(&line, address, namespace, id) {
            continue;
        }
        let Some(process) = identify(pid) else { continue };
        match sweep(&Resource::Process(process), deadline) {
            Swept::Failed(why) => return Err(DriverError::failed("end shim of", id, why)),
            swept => found |= matches!(swept, Swept::Removed),
        }
    }
    Ok(found)
}

/// Whether a command line is that of this very container's shim: containerd/containerd, runtime/v2/README.md,
/// "Flags".
fn serves(line: &[u8], address: &Path, namespace: &str, id: &str) -> bool {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split('\0').collect();
    let has = |flag: &str, value: &str| words.windows(2).any(|pair| pair == [flag, value]);
    let program = words.first().and_then(|word| Path::new(word).file_name()?.to_str());
    program.is_some_and(|name| name.starts_with("containerd-shim"))
        && has("-namespace", namespace)
        && has("-id", id)
        && has("-address", &address.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shim_of_the_container_is_found() {
        // The command line of a shim of containerd 1.6.20.
        let line =
            b"/usr/bin/containerd-shim-runc-v2\0-namespace\0isotare\0-id\0s-t2\0-address\0/run/c.sock\0";
        let is = |namespace, id, address| serves(line, Path::new(address), namespace, id);
        assert!(is("isotare", "s-t2", "/run/c.sock"));
        assert!(!is("isotare", "s-t", "/run/c.sock") && !is("moby", "s-t2", "/run/c.sock"));
        assert!(!is("isotare", "s-t2", "/run/d.sock"));
        assert!(!serves(b"cat\0-namespace\0isotare\0-id\0s-t2", Path::new(""), "isotare", "s-t2"));
    }
}
