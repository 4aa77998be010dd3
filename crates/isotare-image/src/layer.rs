//! Unpacks one tar archive on a tree.
//!
//! Paths are resolved as the image's own root would resolve them (openat2(2), `RESOLVE_IN_ROOT`), so a link can point
//! anywhere but nothing is written through it outside the tree. A member replaces what has its name, and never writes
//! into it. Device nodes are left out: every runtime makes its own.

use crate::root::{Root, inside, remove, remove_below};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown,
    futimens, linkat, mkdirat, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole tree: every name is a file's.
    Tree,
    /// A layer, in which `.wh.` names remove what layers below have: the OCI image specification's "Whiteouts".
    Layer,
}

struct Unpacking<'a> {
    root: &'a Root,
    owners: bool,
    /// Paths of this archive with all above them: whiteouts spare them.
    seen: HashSet<PathBuf>,
    /// Folders get their modes last, so that one without write permission can be filled.
    folders: Vec<(PathBuf, Mode)>,
}

/// Unpacks. An error names the member.
pub(crate) fn unpack(archive: impl Read, kind: Kind, root: &Root) -> io::Result<()> {
    let owners = rustix::process::geteuid().is_root();
    let mut unpacking = Unpacking { root, owners, seen: HashSet::new(), folders: Vec::new() };
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let named = entry.path()?.into_owned();
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("member {}: {error}", named.display()));
        unpacking.member(&mut entry, &named, kind).map_err(told)?;
    }
    unpacking.finish()
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("refused: {why}"))
}

impl Unpacking<'_> {
    fn member(&mut self, entry: &mut Entry<'_, impl Read>, named: &Path, kind: Kind) -> io::Result<()> {
        let path = inside(named).map_err(refused)?;
        let Some(name) = path.file_name() else { return Ok(()) };
        if kind == Kind::Layer && name.as_bytes().starts_with(WHITEOUT) {
            return self.whiteout(&path, name);
        }
        self.seen.extend(path.ancestors().map(Path::to_owned));
        let parent = self.root.parent(&path)?;
        let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                remove(&parent, name)?;
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(&parent, name, flags, Mode::from_raw_mode(0o600))?);
                io::copy(entry, &mut file)?;
                self.own(entry, |user, group| fchown(&file, user, group))?;
                // After the owner, whose change takes set-user-id away: chown(2).
                fchmod(&file, mode)?;
                set_time(entry, &file)
            }
            EntryType::Directory => {
                if !is_folder(&parent, name)? {
                    remove(&parent, name)?;
                    mkdirat(&parent, name, Mode::from_raw_mode(0o700))?;
                }
                self.own(entry, |user, group| {
                    chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
                })?;
                self.folders.push((path, mode));
                Ok(())
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.ok_or_else(|| refused("a link to nothing"))?;
                remove(&parent, name)?;
                symlinkat(&*target, &parent, name)?;
                self.own(entry, |user, group| chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW))
            }
            EntryType::Link => {
                let target = entry.link_name()?.ok_or_else(|| refused("a link to nothing"))?;
                let target = inside(&target).map_err(|_| refused("a hard link that leaves the tree"))?;
                let Some(target_name) = target.file_name() else {
                    return Err(refused("a hard link to the root"));
                };
                if target == path {
                    return Ok(());
                }
                let beside = self.root.parent(&target)?;
                remove(&parent, name)?;
                Ok(linkat(&beside, target_name, &parent, name, AtFlags::empty())?)
            }
            EntryType::Fifo => {
                remove(&parent, name)?;
                mknodat(&parent, name, FileType::Fifo, mode, 0)?;
                self.own(entry, |user, group| chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW))
            }
            EntryType::Char | EntryType::Block => remove(&parent, name),
            // Headers that concern others, and kinds that no image has.
            _ => Ok(()),
        }
    }

    /// Gives a member its owner, where we may.
    fn own(
        &self,
        entry: &Entry<'_, impl Read>,
        change: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    ) -> io::Result<()> {
        if !self.owners {
            return Ok(());
        }
        let number =
            |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or_else(|| refused("its owner"));
        // Archivers that keep no owners leave the fields empty.
        let (user, group) = (entry.header().uid().unwrap_or(0), entry.header().gid().unwrap_or(0));
        let (user, group) = (number(user)?, number(group)?);
        Ok(change(Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?)
    }

    fn whiteout(&mut self, path: &Path, name: &OsStr) -> io::Result<()> {
        let above = path.parent().unwrap_or(Path::new(""));
        let hidden = OsStr::from_bytes(&name.as_bytes()[WHITEOUT.len()..]);
        if name.as_bytes() == OPAQUE {
            return self.clear(above);
        }
        if hidden.as_bytes().starts_with(WHITEOUT) {
            // What aufs keeps for itself.
            return Ok(());
        }
        if hidden.is_empty() || hidden == "." || hidden == ".." {
            return Err(refused("it removes no name"));
        }
        if self.seen.contains(&above.join(hidden)) {
            return Ok(());
        }
        match self.root.find(above, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(parent) => remove(&parent, hidden),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what layers below have in a folder.
    fn clear(&self, folder: &Path) -> io::Result<()> {
        let opened = match self.root.find(folder, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut ours = Vec::new();
        remove_below(&opened, OsStr::new("."), &mut |name| {
            let path = folder.join(name);
            let spared = self.seen.contains(&path);
            if spared && is_folder(&opened, name).unwrap_or(false) {
                ours.push(path);
            }
            !spared
        })?;
        ours.iter().try_for_each(|folder| self.clear(folder))
    }

    fn finish(self) -> io::Result<()> {
        for (path, mode) in self.folders {
            let parent = self.root.parent(&path)?;
            let Some(name) = path.file_name() else { continue };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(&parent, name, flags, Mode::empty()) {
                Ok(folder) => fchmod(&folder, mode)?,
                // A later member of this name was no folder.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn is_folder(parent: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(FileType::from_raw_mode(found.st_mode) == FileType::Directory),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Programs compare times of files (Python, of its compiled modules).
fn set_time(entry: &Entry<'_, impl Read>, file: impl AsFd) -> io::Result<()> {
    let Ok(seconds) = i64::try_from(entry.header().mtime()?) else { return Ok(()) };
    let modified = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Ok(futimens(file, &Timestamps { last_access: omitted, last_modification: modified })?)
}

#[cfg(test)]
mod tests;
