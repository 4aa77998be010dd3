//! The record of a session's resources on the host, which is kept until they are removed.
//!
//! `ROOT/SESSION/` holds `owner.json` (the process that runs the session), `resources.jsonl` (a line for each
//! [`Resource`], written before the resource is made) and short-lived sockets. The root is on a tmpfs
//! (`/run`, or the user's runtime folder), so a reboot, which ends all resources except files, also empties
//! it.
//!
//! A record decides what is removed, so it is trusted only if no other user can have written it: its folders
//! and files must not be links, must belong to the effective user, and must not be writable by others. While
//! a session's folder is filled or emptied, its name begins with a dot and contains the number of the process
//! that does it, so that it is not regarded as a session.

use crate::{at, identify, is_alive};
use isotare_core::{CONTROL_FOLDER, Cause, Ledger, ProcessId, Resource, is_plain_name};
use isotare_files::{check_private, make_private, own_file};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How often the root is created again if another session removes it at its end.
const TRIES: u32 = 64;
const OWNER: &str = "owner.json";
const RESOURCES: &str = "resources.jsonl";

/// A session's folder, made by this process.
#[derive(Debug)]
pub struct SessionState {
    folder: PathBuf,
    resources: Mutex<File>,
}

/// A session whose process is gone.
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

/// Where sessions are recorded: `$ISOTARE_STATE`, `/run/isotare` for root, else the user's runtime folder. If
/// a user has no runtime folder, it is a folder below `/tmp`. Another user can create a folder of this name
/// first; then no session is created or cleaned there.
pub fn state_root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = rustix::process::geteuid();
    match (set("ISOTARE_STATE"), set("XDG_RUNTIME_DIR")) {
        (Some(root), _) => root,
        _ if user.is_root() => "/run/isotare".into(),
        (None, Some(runtime)) => runtime.join("isotare"),
        (None, None) => std::env::temp_dir().join(format!("isotare-{}", user.as_raw())),
    }
}

/// Makes the run folder of an instance, mode 0700, with the control folder in it. Instances may pass through
/// the control folder, also as root of a user namespace.
pub fn make_run_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    let control = path.join(CONTROL_FOLDER);
    fs::create_dir(&control)?;
    fs::set_permissions(&control, Permissions::from_mode(0o711))
}

impl SessionState {
    /// Makes the folder of a new session. The error names the path that is not trusted, or that could not be
    /// created.
    pub fn create(root: &Path, session: &str) -> io::Result<Self> {
        if !is_plain_name(session) {
            return Err(wrong(&root.join(session), "it is not a valid name of a session"));
        }
        let process = this_process()?;
        let (aside, folder) = (aside(root, process, session), root.join(session));
        make_below(root, &aside)?;
        let filled = || -> io::Result<File> {
            let mut owner =
                File::options().write(true).create_new(true).mode(0o600).open(aside.join(OWNER))?;
            owner.write_all(&serde_json::to_vec(&Owner { process })?)?;
            let resources =
                File::options().append(true).create_new(true).mode(0o600).open(aside.join(RESOURCES))?;
            // Refused where there is a session of this name, whose folder is not empty: rename(2).
            fs::rename(&aside, &folder)?;
            Ok(resources)
        };
        match filled() {
            Ok(resources) => Ok(Self { folder, resources: Mutex::new(resources) }),
            Err(error) => {
                // The first error is reported.
                let _left = fs::remove_dir_all(&aside);
                Err(error)
            }
        }
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
    /// Sessions recorded below `root` whose process does not run any more. An error instead of a session says
    /// why its record is not trusted. An error instead of the list says why nothing below `root` is trusted.
    pub fn list(root: &Path) -> io::Result<Vec<io::Result<StaleSession>>> {
        let entries = match check_private(root).and_then(|()| fs::read_dir(root)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut stale = Vec::new();
        for entry in entries {
            let (folder, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            if let Some(maker) = name.strip_prefix('.').map(maker) {
                // It holds no resources: they are recorded later, and forgotten earlier.
                if maker.is_some_and(|maker| !is_alive(maker)) {
                    remove_folder(&folder)?;
                }
                continue;
            }
            match read_stale(&folder, &name) {
                Ok(session) => stale.extend(session.map(Ok)),
                // It ended and was forgotten in between.
                Err(_) if !folder.exists() => {}
                Err(error) => stale.push(Err(error)),
            }
        }
        Ok(stale)
    }

    /// Forgets the session: everything is gone.
    pub fn close(self) -> io::Result<()> {
        forget(&self.folder)
    }
}

/// What a session recorded whose process is gone; `None` if it runs.
fn read_stale(folder: &Path, name: &str) -> io::Result<Option<StaleSession>> {
    if !is_plain_name(name) {
        return Err(wrong(folder, "its name is not that of a session's record"));
    }
    check_private(folder)?;
    let owner: Owner = serde_json::from_slice(&read(&folder.join(OWNER))?)
        .map_err(|error| wrong(&folder.join(OWNER), error))?;
    if is_alive(owner.process) {
        return Ok(None);
    }
    let resources = read_resources(folder)?;
    Ok(Some(StaleSession { id: name.to_owned(), folder: folder.to_owned(), resources }))
}

/// Makes a folder below the root, which is made as well where it is missing.
fn make_below(root: &Path, folder: &Path) -> io::Result<()> {
    for _ in 0..TRIES {
        let made = make_private(root).and_then(|()| DirBuilder::new().mode(0o700).create(folder));
        match made {
            // The last of the other sessions has just taken the root with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            made => return made,
        }
    }
    Err(wrong(root, "another process removes it again and again"))
}

/// Where this process fills or empties a session's folder.
fn aside(root: &Path, process: ProcessId, session: &str) -> PathBuf {
    root.join(format!(".{}-{}-{session}", process.pid, process.started))
}

/// The process in the name of [`aside`], without its dot.
fn maker(name: &str) -> Option<ProcessId> {
    let mut parts = name.splitn(3, '-');
    Some(ProcessId { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? })
}

fn this_process() -> io::Result<ProcessId> {
    identify(std::process::id()).ok_or_else(|| io::Error::other("/proc/self/stat is unreadable"))
}

/// Removes a session's folder, and the root when that was the last one.
fn forget(folder: &Path) -> io::Result<()> {
    let (Some(root), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(wrong(folder, "it is not the record of a session"));
    };
    let aside = aside(root, this_process()?, &name.to_string_lossy());
    fs::rename(folder, &aside)?;
    remove_folder(&aside)?;
    // Other sessions may still be in it.
    let _in_use = fs::remove_dir(root);
    Ok(())
}

/// Removes a folder with all in it. That another process has done so is no error.
fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A last line that was cut by the end of its writer names nothing that was made.
fn read_resources(folder: &Path) -> io::Result<Vec<Resource>> {
    let path = folder.join(RESOURCES);
    let text = read(&path)?;
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(&[][..], |end| &text[..end]);
    let lines = whole.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate();
    lines
        .map(|(number, line)| {
            let told = |error: serde_json::Error| at(format_args!("line {}", number + 1))(error.into());
            serde_json::from_slice(line).map_err(|error| wrong(&path, told(error)))
        })
        .collect()
}

/// A file of a record, if nobody else can have written it.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    own_file(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(at(path.display()))?;
    Ok(bytes)
}

fn wrong(path: &Path, why: impl Into<Cause>) -> io::Error {
    at(path.display())(io::Error::new(io::ErrorKind::InvalidData, why))
}

#[cfg(test)]
mod tests;
