//! A cache of unpacked trees for later sessions.
//!
//! `FOLDER/KEY/tree` is a tree. Next to it, `digest` is the digest of its source, and `origin` is the
//! reference. It is created as `KEY.partial` and renamed when it is complete and on disk. The process that
//! creates it holds a lock on `KEY.lock`, so a partial one that is not locked was left by a session that
//! died, and is removed. Only its owner may access the folder: trees contain old set-user-id programs, and
//! their programs are run as if the user had created them. So a folder or entry that another user can have
//! created is refused.

use crate::error::{During, ImageError, Step};
use crate::limits::Limits;
use isotare_core::Deadline;
use isotare_files::{check_private, make_private, own_file, remove_tree};
use isotare_host::pause;
use rustix::fs::{FlockOperation, flock, syncfs};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SPACE: &str = "free space, or name another folder in ISOTARE_CACHE";
const REMOVE: &str = "remove it, or name another folder in ISOTARE_CACHE";
/// How often a lock is tried that another session holds: the kernel knows no wait for one with a deadline.
const RETRY: Duration = Duration::from_millis(50);

/// A folder of trees.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    limits: Limits,
}

/// A tree in the cache.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) tree: PathBuf,
    pub(crate) digest: String,
}

impl Cache {
    /// In this folder, which is made when it is first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), limits: Limits::default() }
    }

    /// In `$ISOTARE_CACHE`, `/var/cache/isotare` for root, else the user's own cache folder. If no variable
    /// names one, only images that need no unpacking can be used. A shared folder is not possible, because
    /// users would run each other's trees.
    pub fn of_user() -> Self {
        Self { folder: cache_root(), limits: Limits::default() }
    }

    /// With other bounds for what is unpacked into it.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// How much an image may unpack to.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The tree of this key. If it is not there yet, `fill` makes it in an empty folder, where it may use a
    /// second one for its own files, and returns the digest of its source.
    pub(crate) fn tree(
        &self,
        key: &str,
        origin: &str,
        deadline: &Deadline,
        fill: impl FnOnce(&Path, &Path) -> Result<String, ImageError>,
    ) -> Result<Kept, ImageError> {
        let folder = self.folder.as_ref().ok_or("the user has no private folder for it").during((
            "keep image of",
            Path::new(origin),
            "set HOME or XDG_CACHE_HOME, or name a folder in ISOTARE_CACHE",
        ))?;
        make_private(folder).during(("keep image in", folder, REMOVE))?;
        let entry = folder.join(key);
        if let Some(kept) = Kept::read(&entry)? {
            return Ok(kept);
        }
        let _lock = lock(&folder.join(format!("{key}.lock")), deadline)?;
        if let Some(kept) = Kept::read(&entry)? {
            return Ok(kept);
        }
        let partial = folder.join(format!("{key}.partial"));
        remove_tree(&partial).during(removing(&partial))?;
        let (tree, own) = (partial.join("tree"), partial.join("own"));
        let made = make_private(&own)
            .and_then(|()| fs::create_dir(&tree))
            .during(keeping(&partial))
            .and_then(|()| fill(&tree, &own))
            .and_then(|digest| remove_tree(&own).map(|_| digest).during(removing(&own)))
            .and_then(|digest| publish(&partial, &entry, &digest, origin).during(keeping(&entry)));
        if made.is_err() {
            // The first error is the one to tell; what stays is removed when the key is asked for again.
            let _left = remove_tree(&partial);
        }
        made?;
        Kept::read(&entry)?.ok_or("it does not exist").during(keeping(&entry))
    }
}

/// Where the user's trees are kept.
fn cache_root() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = set("ISOTARE_CACHE") {
        return Some(root);
    }
    if rustix::process::geteuid().is_root() {
        return Some("/var/cache/isotare".into());
    }
    let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Some(user?.join("isotare"))
}

/// Waits for the lock of this file, which is made if it is not there.
fn lock(path: &Path, deadline: &Deadline) -> Result<File, ImageError> {
    let locking = ("lock", path, SPACE);
    let file = File::options().create(true).append(true).mode(0o600).open(path).during(locking)?;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                pause(RETRY, deadline).map_err(|wait| ImageError::Stopped {
                    operation: "wait for another session's work on",
                    subject: path.display().to_string(),
                    wait,
                })?;
            }
            Err(error) => return Err(error).during(locking),
        }
    }
}

fn keeping(path: &Path) -> Step<'_> {
    ("keep image in", path, SPACE)
}

fn removing(path: &Path) -> Step<'_> {
    ("remove what is left of an image in", path, REMOVE)
}

impl Kept {
    /// The entry, if there is one.
    fn read(entry: &Path) -> Result<Option<Self>, ImageError> {
        let read = || -> io::Result<Self> {
            check_private(entry)?;
            let mut digest = String::new();
            own_file(&entry.join("digest"))?.read_to_string(&mut digest)?;
            let tree = entry.join("tree");
            // Its mode is the image's; that nobody else gets there is the entry's.
            match fs::symlink_metadata(&tree)?.is_dir() {
                true => Ok(Self { tree, digest }),
                false => Err(io::Error::other(format!("{} is not a folder", tree.display()))),
            }
        };
        match read() {
            Ok(kept) => Ok(Some(kept)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !entry.exists() => Ok(None),
            Err(error) => Err(error).during(("take image from", entry, REMOVE)),
        }
    }
}

fn publish(partial: &Path, entry: &Path, digest: &str, origin: &str) -> io::Result<()> {
    for (name, text) in [("origin", format!("{origin}\n")), ("digest", digest.to_owned())] {
        let file = File::options().write(true).create_new(true).mode(0o600).open(partial.join(name));
        file?.write_all(text.as_bytes())?;
    }
    // After a power failure, the name must not belong to files without content.
    syncfs(File::open(partial)?)?;
    fs::rename(partial, entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use isotare_host::deadline_in;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn soon() -> Deadline {
        deadline_in(Duration::from_secs(20), &Interrupt::default())
    }

    #[test]
    fn sessions_that_need_the_same_tree_make_it_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let kept = Cache::new(folder.path()).tree("k", "test", &soon(), |tree, own| {
                        made.fetch_add(1, Ordering::SeqCst);
                        fs::write(own.join("scratch"), "x").expect("written");
                        std::thread::sleep(Duration::from_millis(100));
                        fs::write(tree.join("file"), "whole").expect("written");
                        Ok("sha256:0".to_owned())
                    });
                    let kept = kept.expect("made");
                    assert_eq!(fs::read_to_string(kept.tree.join("file")).expect("read"), "whole");
                    assert_eq!(kept.digest, "sha256:0");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert!(!folder.path().join("k/own").exists());
    }

    #[test]
    fn a_tree_that_was_left_half_made_is_never_used() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("k.partial/tree")).expect("made");
        fs::write(folder.path().join("k.partial/tree/torn"), "half").expect("written");
        let cache = Cache::new(folder.path());
        let failed = cache.tree("k", "test", &soon(), |tree, _| {
            assert!(!tree.join("torn").exists());
            fs::write(tree.join("torn"), "half").expect("written");
            Err("broken").during(keeping(tree))
        });
        assert!(failed.is_err() && !folder.path().join("k").exists());
        assert!(!folder.path().join("k.partial").exists());
        let kept = cache.tree("k", "test", &soon(), |_, _| Ok("d".to_owned())).expect("made");
        assert!(!kept.tree.join("torn").exists());
    }

    #[test]
    fn an_old_partial_tree_of_any_depth_is_removed() {
        use rustix::fs::{Mode, OFlags, mkdirat, openat};
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let folder = tempfile::tempdir().expect("a folder");
        let partial = folder.path().join("k.partial");
        fs::create_dir(&partial).expect("made");
        let mut at = std::os::fd::OwnedFd::from(File::open(&partial).expect("opened"));
        // More levels than the limit of open descriptors, and a path that is longer than the kernel accepts.
        for _ in 0..3000 {
            mkdirat(&at, "d", Mode::from_raw_mode(0o700)).expect("made");
            at = openat(&at, "d", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("opened");
        }
        drop(at);
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(512), ..before }).expect("fewer descriptors");
        let made = Cache::new(folder.path()).tree("k", "test", &soon(), |_, _| Ok("d".to_owned()));
        // The removal of the temporary folder holds a descriptor for each level.
        setrlimit(Resource::Nofile, before).expect("as before");
        made.expect("made");
        assert!(!partial.exists());
    }

    #[test]
    fn the_remedy_for_a_failed_removal_is_not_more_space() {
        let folder = tempfile::tempdir().expect("a folder");
        // `KEY.lock` is a name of 255 bytes, the maximum. So the longer `KEY.partial` cannot be removed.
        let key = "k".repeat(250);
        let made = Cache::new(folder.path()).tree(&key, "test", &soon(), |_, _| panic!("made"));
        let error = made.expect_err("not removed");
        let ImageError::Failed { remedy, .. } = &error else { panic!("{error}") };
        assert!(
            error.to_string().ends_with(".partial") && remedy.starts_with("remove it"),
            "{error}: {remedy}"
        );
    }

    #[test]
    fn a_lock_is_waited_for_until_the_deadline() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path());
        let _held = lock(&folder.path().join("k.lock"), &soon()).expect("locked");
        let deadline = deadline_in(Duration::from_millis(120), &Interrupt::default());
        let waited = cache.tree("k", "test", &deadline, |_, _| Ok(String::new()));
        assert!(matches!(waited, Err(ImageError::Stopped { wait: isotare_host::WaitError::TimedOut, .. })));
    }
    /// The reason why the only entry is refused.
    fn refusal(folder: &Path) -> String {
        let asked = Cache::new(folder).tree("k", "test", &soon(), |_, _| panic!("made again"));
        let error = asked.expect_err("refused");
        let ImageError::Failed { remedy, .. } = &error else { panic!("{error}") };
        assert!(remedy.contains("ISOTARE_CACHE"));
        isotare_core::with_sources(&error)
    }

    #[test]
    fn a_folder_or_entry_that_somebody_else_can_have_made_is_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("isotare");
        let made = Cache::new(&folder).tree("k", "test", &soon(), |_, _| Ok("d".to_owned())).expect("made");
        let mode =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        for (path, bad, good) in [
            (folder.clone(), 0o1777, 0o700),
            (folder.join("k"), 0o777, 0o700),
            (folder.join("k/digest"), 0o666, 0o600),
        ] {
            mode(&path, bad);
            let why = refusal(&folder);
            assert!(
                why.contains(&path.display().to_string()) && why.contains("other users may write"),
                "{why}"
            );
            mode(&path, good);
        }
        let moved = place.path().join("moved");
        for (path, why) in
            [(folder.join("k/digest"), "link"), (made.tree, "not a folder"), (folder.clone(), "link")]
        {
            fs::rename(&path, &moved).expect("moved");
            symlink(&moved, &path).expect("linked");
            assert!(refusal(&folder).contains(why));
            fs::remove_file(&path).expect("removed");
            fs::rename(&moved, &path).expect("moved back");
        }
        Cache::new(&folder).tree("k", "test", &soon(), |_, _| panic!("made again")).expect("taken");
        // Only root can give a folder away.
        if rustix::process::geteuid().is_root() {
            chown(&folder, Some(65534), Some(65534)).expect("given away");
            assert!(refusal(&folder).contains("belongs to uid 65534"));
        }
    }

    #[test]
    fn without_a_cache_folder_no_tree_is_made() {
        let nowhere = Cache { folder: None, limits: Limits::default() };
        let error = nowhere.tree("k", "tar:x", &soon(), |_, _| panic!("made")).expect_err("nowhere");
        let ImageError::Failed { remedy, .. } = &error else { panic!("{error}") };
        for name in ["HOME", "XDG_CACHE_HOME", "ISOTARE_CACHE"] {
            assert!(remedy.contains(name));
        }
    }
}
