//! Unpacks one tar archive on a tree.
//!
//! Paths are resolved as the image's own root would resolve them (openat2(2), `RESOLVE_IN_ROOT`). So a link
//! can point anywhere, but nothing is written through it outside the tree. A file in the archive replaces an
//! existing one of the same name and never writes into it. Device nodes are omitted, because every runtime
//! creates its own.

use crate::limits::{Meter, long_header};
use crate::root::{Root, inside, remove_in};
use isotare_files::remove_tree_at;
use isotare_host::at;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown,
    futimens, linkat, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// Bytes of a block: tar(5).
const BLOCK: u64 = 512;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole tree: every name is a file's.
    Tree,
    /// A layer, in which `.wh.` names remove what layers below have: the OCI image specification's
    /// "Whiteouts".
    Layer,
}

/// Bytes in which a file is copied: after each the deadline is looked at.
const CHUNK: usize = 64 << 10;
/// Bytes of a path that the kernel takes: path_resolution(7), "Length of a pathname".
const LONGEST_PATH: usize = 4096;

struct Unpacking<'a, 'm> {
    root: &'a Root,
    meter: &'a mut Meter<'m>,
    owners: bool,
    chunk: Vec<u8>,
    /// Paths of this archive with all above them: whiteouts spare them.
    seen: HashSet<PathBuf>,
    /// Folders get their modes last, so that one without write permission can be filled.
    folders: Vec<(PathBuf, Mode)>,
}

/// Unpacks as far as `meter` allows, which counts on. An error names the member.
pub(crate) fn unpack(archive: impl Read, kind: Kind, root: &Root, meter: &mut Meter<'_>) -> io::Result<()> {
    let owners = rustix::process::geteuid().is_root();
    let left = Rc::new(Cell::new(u64::MAX));
    let limit = meter.limits.header;
    let mut archive = Archive::new(HeaderBound { inner: archive, limit, left: Rc::clone(&left) });
    let (seen, folders) = (HashSet::new(), Vec::new());
    let mut unpacking = Unpacking { root, meter, owners, chunk: vec![0; CHUNK], seen, folders };
    let mut entries = archive.entries()?;
    let mut last = "the archive's beginning".to_owned();
    loop {
        // What comes next are the rest of the last member's block and headers, which the tar crate reads into
        // memory.
        left.set(limit.saturating_add(BLOCK));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(at(format_args!("after {last}")))?;
        left.set(u64::MAX);
        let named = entry.path()?.into_owned();
        last = format!("member {}", named.display());
        let done = unpacking.member(&mut entry, &named, kind).and_then(|()| unpacking.skip(&mut entry));
        done.map_err(at(&last))?;
    }
    unpacking.finish()
}

/// A reader that reads a limited number of bytes as long as one is set.
struct HeaderBound<R> {
    inner: R,
    limit: u64,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for HeaderBound<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(long_header(self.limit));
        }
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.left.set(left - count as u64);
        Ok(count)
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("refused: {why}"))
}

impl Unpacking<'_, '_> {
    fn member(&mut self, entry: &mut Entry<'_, impl Read>, named: &Path, kind: Kind) -> io::Result<()> {
        self.meter.in_time()?;
        self.meter.entry()?;
        if named.as_os_str().len() > LONGEST_PATH {
            return Err(refused("its path is longer than 4096 bytes"));
        }
        let path = inside(named).map_err(refused)?;
        self.meter.path(&path)?;
        let Some(name) = path.file_name() else { return Ok(()) };
        if kind == Kind::Layer && name.as_bytes().starts_with(WHITEOUT) {
            return self.whiteout(&path, name);
        }
        self.note(&path)?;
        let parent = self.root.parent(&path, self.meter)?;
        let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                remove_tree_at(&parent, name)?;
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(&parent, name, flags, Mode::from_raw_mode(0o600))?);
                self.meter.data(entry.size())?;
                self.copy(entry, &mut file)?;
                self.own(entry, |user, group| fchown(&file, user, group))?;
                // After the owner, whose change takes set-user-id away: chown(2).
                fchmod(&file, mode)?;
                set_time(entry, &file)
            }
            EntryType::Directory => {
                if !is_folder(&parent, name)? {
                    remove_tree_at(&parent, name)?;
                    self.root.make(&parent, name, Mode::from_raw_mode(0o700), self.meter)?;
                }
                self.own(entry, |user, group| {
                    chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
                })?;
                self.meter.name(path.as_os_str().len())?;
                self.folders.push((path, mode));
                Ok(())
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.ok_or_else(|| refused("a link to nothing"))?;
                remove_tree_at(&parent, name)?;
                symlinkat(&*target, &parent, name)?;
                self.own(entry, |user, group| chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW))
            }
            EntryType::Link => {
                let target = entry.link_name()?.ok_or_else(|| refused("a link to nothing"))?;
                let target =
                    inside(&target).map_err(|_| refused("a hard link to a path outside the tree"))?;
                self.meter.path(&target)?;
                let Some(target_name) = target.file_name() else {
                    return Err(refused("a hard link to the root"));
                };
                if target == path {
                    return Ok(());
                }
                let beside = self.root.parent(&target, self.meter)?;
                remove_tree_at(&parent, name)?;
                Ok(linkat(&beside, target_name, &parent, name, AtFlags::empty())?)
            }
            EntryType::Fifo => {
                remove_tree_at(&parent, name)?;
                mknodat(&parent, name, FileType::Fifo, mode, 0)?;
                self.own(entry, |user, group| chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW))
            }
            EntryType::Char | EntryType::Block => remove_tree_at(&parent, name).map(drop),
            // Headers that concern others, and kinds that no image has.
            _ => Ok(()),
        }
    }

    /// Keeps a path in mind, with those above it, which may have to be made.
    fn note(&mut self, path: &Path) -> io::Result<()> {
        for (above, path) in path.ancestors().enumerate() {
            // What is above a known path is known as well.
            if path.as_os_str().is_empty() || self.seen.contains(path) {
                break;
            }
            if above > 0 {
                self.meter.entry()?;
            }
            self.meter.name(path.as_os_str().len())?;
            self.seen.insert(path.to_owned());
        }
        Ok(())
    }

    /// Writes a file's content. What the archive has as a hole stays one.
    fn copy(&mut self, entry: &mut Entry<'_, impl Read>, file: &mut File) -> io::Result<()> {
        let keeps_holes = entry.header().entry_type() == EntryType::GNUSparse;
        let mut length = 0;
        loop {
            self.meter.in_time()?;
            let count = fill(entry, &mut self.chunk)?;
            let bytes = &self.chunk[..count];
            if bytes.is_empty() {
                break;
            }
            if !keeps_holes || bytes.iter().any(|&byte| byte != 0) {
                file.write_all_at(bytes, length)?;
            }
            length += count as u64;
        }
        // Also where its end is a hole.
        file.set_len(length)
    }

    /// Reads what is left of a member, so that its next header comes next.
    fn skip(&mut self, entry: &mut Entry<'_, impl Read>) -> io::Result<()> {
        while entry.read(&mut self.chunk)? > 0 {
            self.meter.in_time()?;
        }
        Ok(())
    }

    /// Sets the owner of a file of the archive, if we may.
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
            return Err(refused("the whiteout has no name"));
        }
        if self.seen.contains(&above.join(hidden)) {
            return Ok(());
        }
        match self.root.find(above, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(parent) => remove_tree_at(&parent, hidden).map(drop),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what layers below have in a folder and in the folders of it that this layer has too.
    fn clear(&self, folder: &Path) -> io::Result<()> {
        let mut shared = vec![folder.to_owned()];
        while let Some(folder) = shared.pop() {
            self.meter.in_time()?;
            let opened = match self.root.find(&folder, OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(opened) => opened,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(error.into()),
            };
            remove_in(&opened, |name| {
                let path = folder.join(name);
                let spared = self.seen.contains(&path);
                if spared && is_folder(&opened, name).unwrap_or(false) {
                    shared.push(path);
                }
                !spared
            })?;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        for (path, mode) in self.folders {
            let parent = self.root.parent(&path, self.meter)?;
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

/// Reads until the buffer is full or there is nothing more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match from.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
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
mod bombs;
#[cfg(test)]
mod tests;
