//! The record of what a session has on the host, kept until it is removed.
//!
//! `ROOT/SESSION/` holds `owner.json` (the process that runs the session), `resources.jsonl` (a line for each
//! [`Resource`], written before the resource is made) and short-lived sockets. The root is on a tmpfs (`/run`, or the
//! user's runtime folder), so that a reboot, which ends every resource but files, empties it as well.

use crate::{identify, is_alive};
use isotare_core::{CONTROL_FOLDER, Ledger, ProcessId, Resource};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A session's folder, made by this process.
#[derive(Debug)]
pub struct SessionState {
    folder: PathBuf,
    resources: Mutex<File>,
}

/// A session whose process is gone, or that is being listed.
#[derive(Debug)]
pub struct StaleSession {
    /// Identity of the session.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What it recorded, in order.
    pub resources: Vec<Resource>,
}

#[derive(Serialize, Deserialize)]
struct Owner {
    process: ProcessId,
}

/// Where sessions are recorded: `$ISOTARE_STATE`, `/run/isotare` for root, else the user's runtime folder.
pub fn state_root() -> PathBuf {
    if let Some(root) = std::env::var_os("ISOTARE_STATE") {
        return root.into();
    }
    let user = rustix::process::geteuid();
    match std::env::var_os("XDG_RUNTIME_DIR") {
        _ if user.is_root() => "/run/isotare".into(),
        Some(runtime) => Path::new(&runtime).join("isotare"),
        None => std::env::temp_dir().join(format!("isotare-{}", user.as_raw())),
    }
}

/// Makes the run folder of an instance, mode 0700, with the control folder in it. Whoever is shown that may pass through it,
/// also root of a user namespace.
pub fn make_run_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    let control = path.join(CONTROL_FOLDER);
    fs::create_dir(&control)?;
    fs::set_permissions(&control, Permissions::from_mode(0o711))
}

impl SessionState {
    /// Makes the folder of a new session.
    pub fn create(root: &Path, session: &str) -> io::Result<Self> {
        let folder = root.join(session);
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        DirBuilder::new().mode(0o700).create(&folder)?;
        let process =
            identify(std::process::id()).ok_or_else(|| io::Error::other("/proc/self/stat is unreadable"))?;
        fs::write(folder.join("owner.json"), serde_json::to_vec(&Owner { process })?)?;
        let resources = File::options().create_new(true).append(true).open(folder.join("resources.jsonl"))?;
        Ok(Self { folder, resources: Mutex::new(resources) })
    }

    /// The session's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new run folder of an instance in it: [`make_run_folder`].
    pub fn new_folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(name);
        make_run_folder(&folder)?;
        Ok(folder)
    }

    /// What has been recorded so far.
    pub fn recorded(&self) -> io::Result<Vec<Resource>> {
        read_resources(&self.folder)
    }

    /// Forgets the session: everything is gone.
    pub fn close(self) -> io::Result<()> {
        forget(&self.folder)
    }
}

impl Ledger for SessionState {
    fn record(&self, resource: &Resource) -> io::Result<()> {
        let mut line = serde_json::to_vec(resource)?;
        line.push(b'\n');
        let mut file = self.resources.lock().map_err(|_| io::Error::other("a writer panicked"))?;
        file.write_all(&line)
    }
}

impl StaleSession {
    /// Sessions recorded below `root` whose process no longer runs.
    pub fn list(root: &Path) -> io::Result<Vec<StaleSession>> {
        let mut stale = Vec::new();
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(stale),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let folder = entry?.path();
            if !folder.is_dir() {
                continue;
            }
            // Without an owner's name the session died between two system calls of `create`, or another user owns it.
            let owner =
                fs::read(folder.join("owner.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
            if owner.is_some_and(|owner: Owner| is_alive(owner.process)) {
                continue;
            }
            let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let resources = read_resources(&folder)?;
            stale.push(StaleSession { id, folder, resources });
        }
        Ok(stale)
    }

    /// Forgets the session: everything is gone.
    pub fn close(self) -> io::Result<()> {
        forget(&self.folder)
    }
}

/// Removes a session's folder, and the root when that was the last one.
fn forget(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder)?;
    if let Some(root) = folder.parent() {
        // Other sessions are still in it.
        let _in_use = fs::remove_dir(root);
    }
    Ok(())
}

/// A last line that was cut by the end of its writer names nothing that was made.
fn read_resources(folder: &Path) -> io::Result<Vec<Resource>> {
    let text = match fs::read(folder.join("resources.jsonl")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(text.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_read_back_and_a_running_session_is_not_stale() {
        let root = tempfile::tempdir().expect("a folder");
        let state = SessionState::create(root.path(), "s1").expect("made");
        let resource = Resource::Cgroup { path: "isotare/s1/a".into() };
        state.record(&resource).expect("recorded");
        assert_eq!(state.recorded().expect("read"), [resource]);
        assert!(StaleSession::list(root.path()).expect("listed").is_empty());
        assert!(SessionState::create(root.path(), "s1").is_err(), "a session is made once");
    }

    #[test]
    fn a_session_whose_process_is_gone_is_stale_and_a_torn_line_is_no_resource() {
        let root = tempfile::tempdir().expect("a folder");
        let state = SessionState::create(root.path(), "s1").expect("made");
        state.record(&Resource::Path { path: "/x".into() }).expect("recorded");
        fs::write(state.folder().join("owner.json"), r#"{"process":{"pid":1,"started":123456789}}"#)
            .expect("written");
        File::options()
            .append(true)
            .open(state.folder().join("resources.jsonl"))
            .and_then(|mut file| file.write_all(b"{\"kind\":\"pa"))
            .expect("torn");
        let stale = StaleSession::list(root.path()).expect("listed");
        assert_eq!((stale.len(), stale[0].resources.len()), (1, 1));
    }
}
