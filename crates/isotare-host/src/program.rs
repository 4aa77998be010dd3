//! Programs of the host.

use crate::{WaitError, readable};
use isotare_core::Deadline;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Looks a program up: a name with a slash as a path, any other in `PATH` and the system's `sbin` folders,
/// which users' paths often lack.
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

/// The most that is taken of each stream of a program, bytes.
const MOST_OUTPUT: u64 = 1 << 20;

/// Runs a program to its end and returns what it wrote, at most 1 MiB on each stream. For probes and
/// preparation, not for measured work.
///
/// Of a longer standard error the start is returned. A longer standard output is an error, because half an
/// answer could be taken for a whole one; the program itself runs to its end.
pub fn output_of(program: &Path, arguments: &[&str], deadline: &Deadline) -> Result<Output, WaitError> {
    output_up_to(MOST_OUTPUT, program, arguments, deadline)
}

/// [`output_of`] with another limit, bytes.
pub fn output_up_to(
    limit: u64,
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
    let drain = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What could be read is all there is to show. The rest is read too, so that the program can end.
            let _torn = pipe.by_ref().take(limit).read_to_end(&mut bytes);
            let left_out = io::copy(&mut pipe, &mut io::sink()).unwrap_or(0);
            (bytes, left_out)
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
    let collect = |thread: Option<std::thread::JoinHandle<(Vec<u8>, u64)>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let ((stdout, left_out), (stderr, _)) = (collect(stdout), collect(stderr));
    if left_out > 0 {
        let text = format!(
            "{} wrote {} bytes to standard output, but at most {limit} are read",
            program.display(),
            limit + left_out
        );
        return Err(WaitError::Io(io::Error::new(io::ErrorKind::FileTooLarge, text)));
    }
    Ok(Output { status, stdout, stderr })
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
    fn a_probe_that_hangs_is_ended() {
        let deadline = deadline_in(Duration::from_millis(50), &Interrupt::default());
        let ended = output_of(Path::new("/bin/sleep"), &["60"], &deadline);
        assert!(matches!(ended, Err(WaitError::TimedOut)));
    }

    #[test]
    fn output_of_a_program_is_read_up_to_a_limit() {
        let deadline = deadline_in(Duration::from_secs(600), &Interrupt::default());
        let run = |script: &str| output_up_to(1000, Path::new("/bin/sh"), &["-c", script], &deadline);
        let output = run("head -c 1000 /dev/zero; head -c 3000000 /dev/zero >&2").expect("ran to its end");
        assert_eq!((output.stdout.len(), output.stderr.len()), (1000, 1000));
        let error = run("head -c 3000000 /dev/zero").expect_err("too much").to_string();
        assert!(error.contains("/bin/sh wrote 3000000 bytes to standard output"), "{error}");
    }
}
