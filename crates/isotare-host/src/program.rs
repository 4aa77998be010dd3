//! Programs of the host.

use crate::{WaitError, readable};
use isotare_core::Deadline;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Looks a program up: a name with a slash as a path, any other in `PATH` and the system's `sbin` folders, which
/// users' paths often lack.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let executable = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = std::path::absolute(name).ok()?;
        return executable(&path).then_some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(name)).find(|path| executable(path))
}

/// What a program of [`output_of`] may write to each of its two streams, bytes.
const MOST: u64 = 16 << 20;

/// Runs a program to its end and returns what it wrote, of each stream up to 16 MiB: more is an error. For probes and
/// preparation, not for measured work.
pub fn output_of(program: &Path, arguments: &[&str], deadline: &Deadline) -> Result<Output, WaitError> {
    output_up_to(MOST, program, arguments, deadline)
}

/// As [`output_of`], for programs that write more: `most` bytes on each stream.
pub fn output_up_to(
    most: u64,
    program: &Path,
    arguments: &[&str],
    deadline: &Deadline,
) -> Result<Output, WaitError> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(io::Error::from(io::ErrorKind::Other))?;
    let waited = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| WaitError::Io(error.into()));
    let drain = |pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What could be read is all there is to show. The pipe ends here, so that a program that goes on ends too.
            let _torn = pipe.take(most.saturating_add(1)).read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = child.stdout.take().map(|pipe| drain(Box::new(pipe)));
    let stderr = child.stderr.take().map(|pipe| drain(Box::new(pipe)));
    let ended = waited.and_then(|pidfd| readable(pidfd.as_fd(), None, deadline));
    if ended.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    ended?;
    let collect = |thread: Option<std::thread::JoinHandle<Vec<u8>>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let output = Output { status, stdout: collect(stdout), stderr: collect(stderr) };
    if output.stdout.len().max(output.stderr.len()) as u64 > most {
        let why = format!("{} wrote more than {} MiB, which is not read", program.display(), most >> 20);
        return Err(WaitError::Io(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline_in;
    use isotare_core::Interrupt;
    use std::time::Duration;

    #[test]
    fn a_program_is_found_by_name_and_by_path() {
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(find_program("/etc/passwd"), None);
        assert_eq!(find_program("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_program_that_writes_without_end_is_ended_and_told() {
        let deadline = deadline_in(Duration::from_secs(60), &Interrupt::default());
        let cat = |most| output_up_to(most, Path::new("/bin/cat"), &["/dev/zero"], &deadline);
        let error = cat(1 << 20).expect_err("too much").to_string();
        assert_eq!(error, "/bin/cat wrote more than 1 MiB, which is not read");
        let few = output_up_to(5, Path::new("/bin/echo"), &["four"], &deadline).expect("no more than that");
        assert_eq!(few.stdout, b"four\n");
    }

    #[test]
    fn a_probe_that_hangs_is_ended() {
        let deadline = deadline_in(Duration::from_millis(50), &Interrupt::default());
        let ended = output_of(Path::new("/bin/sleep"), &["60"], &deadline);
        assert!(matches!(ended, Err(WaitError::TimedOut)));
    }
}
