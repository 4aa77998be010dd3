//! The user who owns the containers.

use isotare_core::{Deadline, Unavailable};
use isotare_host::{find_program, output_of};
use std::path::Path;

/// A number, with room for blanks; bytes.
const LONGEST_PID_FILE: u64 = 64;

/// A user of this machine, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) group: u32,
}

/// Reads a pid file that Podman wrote. If another user runs Podman, the file belongs to that user and can
/// contain any number. A process of a different user is not returned.
pub(super) fn own_pid(path: &Path, user: Option<User>) -> Option<u32> {
    let text = isotare_files::whole(path, LONGEST_PID_FILE).ok()?;
    let pid: u32 = String::from_utf8(text).ok()?.trim().parse().ok()?;
    match user {
        Some(user) if real_user(pid)? != user.id => None,
        _ => Some(pid),
    }
}

/// The real user of a process: `Uid` in proc_pid_status(5).
fn real_user(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Looks a user up in the user database of this machine.
pub(super) fn find(name: &str, deadline: &Deadline) -> Result<User, Unavailable> {
    let unknown = |why: &str| {
        Unavailable::new(format!("user '{name}' cannot be looked up: {why}"), "name a user of this machine")
    };
    let id = find_program("id").ok_or_else(|| unknown("there is no program 'id'"))?;
    let ask = |what: &str| {
        let output =
            output_of(&id, &[what, "--", name], deadline).map_err(|error| unknown(&error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map_err(|_| unknown(String::from_utf8_lossy(&output.stderr).trim()))
    };
    let user = User { id: ask("-u")?, group: ask("-g")? };
    if user.id == 0 {
        return Err(unknown("root cannot run rootless containers"));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use std::time::Duration;

    #[test]
    fn a_pid_file_of_another_user_is_accepted_only_for_processes_of_that_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("init.pid");
        let us = std::process::id();
        std::fs::write(&path, format!("{us}\n")).expect("written");
        let user = |id| Some(User { id, group: 0 });
        let own = rustix::process::getuid().as_raw();
        assert_eq!(own_pid(&path, None), Some(us));
        assert_eq!(own_pid(&path, user(own)), Some(us));
        assert_eq!(own_pid(&path, user(own + 1)), None);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        assert_eq!(own_pid(&link, None), None);
    }

    #[test]
    fn only_an_ordinary_user_is_accepted() {
        let deadline = isotare_host::deadline_in(Duration::from_secs(5), &Interrupt::default());
        assert!(find("nobody", &deadline).is_ok());
        assert!(
            find("no-such-user-here", &deadline).expect_err("unknown").reason.contains("no-such-user-here")
        );
        assert!(find("root", &deadline).is_err());
    }
}
