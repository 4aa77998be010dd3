//! Trees unpacked before, kept for the next session.
//!
//! `FOLDER/KEY/tree` is a tree, `digest` beside it what it was made of, `origin` what for. It is made as `KEY.partial` and
//! renamed when it is complete and on disk; whoever makes it holds a lock on `KEY.lock`, so a partial one that is not
//! locked was left by a session that died, and is removed. The folder is for its owner alone: trees hold old
//! set-user-id programs.

use crate::error::{During, ImageError, Step};
use isotare_core::Deadline;
use isotare_host::pause;
use rustix::fs::{FlockOperation, flock, syncfs};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SPACE: &str = "free space, or name another folder in ISOTARE_CACHE";
/// How often a lock is tried that another session holds: the kernel knows no wait for one with a deadline.
const RETRY: Duration = Duration::from_millis(50);

/// A folder of trees.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Where trees are kept: `$ISOTARE_CACHE`, `/var/cache/isotare` for root, else the user's own cache folder.
pub fn cache_root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = set("ISOTARE_CACHE") {
        return root;
    }
    if rustix::process::geteuid().is_root() {
        return "/var/cache/isotare".into();
    }
    let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    user.unwrap_or_else(|| "/var/tmp".into()).join("isotare")
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
        Self { folder: folder.into() }
    }

    /// The tree of this key. If it is not there yet, `fill` makes it in an empty folder, where it may use a second one
    /// for its own files, and returns the digest of what it was made of.
    pub(crate) fn tree(
        &self,
        key: &str,
        origin: &str,
        deadline: &Deadline,
        fill: impl FnOnce(&Path, &Path) -> Result<String, ImageError>,
    ) -> Result<Kept, ImageError> {
        let entry = self.folder.join(key);
        if let Some(kept) = Kept::read(&entry) {
            return Ok(kept);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).during(keeping(&self.folder))?;
        let _lock = self.lock(key, deadline)?;
        if let Some(kept) = Kept::read(&entry) {
            return Ok(kept);
        }
        let partial = self.folder.join(format!("{key}.partial"));
        clear(&partial).during(keeping(&partial))?;
        let (tree, own) = (partial.join("tree"), partial.join("own"));
        let made = DirBuilder::new()
            .recursive(true)
            .create(&tree)
            .and_then(|()| fs::create_dir(&own))
            .during(keeping(&partial))
            .and_then(|()| fill(&tree, &own))
            .and_then(|digest| publish(&partial, &own, &entry, &digest, origin).during(keeping(&entry)));
        if made.is_err() {
            // The first error is the one to tell; what stays is removed when the key is asked for again.
            let _left = clear(&partial);
        }
        made?;
        Kept::read(&entry).ok_or("it is not there").during(keeping(&entry))
    }

    fn lock(&self, key: &str, deadline: &Deadline) -> Result<File, ImageError> {
        let path = self.folder.join(format!("{key}.lock"));
        let locking = ("lock", path.as_path(), SPACE);
        let file = File::options().create(true).append(true).open(&path).during(locking)?;
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
}

fn keeping(path: &Path) -> Step<'_> {
    ("keep image in", path, SPACE)
}

impl Kept {
    fn read(entry: &Path) -> Option<Self> {
        let digest = fs::read_to_string(entry.join("digest")).ok()?;
        Some(Self { tree: entry.join("tree"), digest })
    }
}

fn publish(partial: &Path, own: &Path, entry: &Path, digest: &str, origin: &str) -> io::Result<()> {
    clear(own)?;
    fs::write(partial.join("origin"), format!("{origin}\n"))?;
    fs::write(partial.join("digest"), digest)?;
    // After a power cut the name must not stand for files without content.
    syncfs(File::open(partial)?)?;
    fs::rename(partial, entry)
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Interrupt;
    use isotare_host::deadline_in;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn soon() -> Deadline {
        deadline_in(Duration::from_secs(20), &Interrupt::default())
    }

    #[test]
    fn sessions_that_want_the_same_tree_at_once_make_it_once() {
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
    fn a_lock_is_waited_for_until_the_deadline() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path());
        let _held = cache.lock("k", &soon()).expect("locked");
        let deadline = deadline_in(Duration::from_millis(120), &Interrupt::default());
        let waited = cache.tree("k", "test", &deadline, |_, _| Ok(String::new()));
        assert!(matches!(waited, Err(ImageError::Stopped { wait: isotare_host::WaitError::TimedOut, .. })));
    }
}
