//! A folder in which paths are resolved as for a process that has it as its root.

use crate::limits::Meter;
use isotare_files::remove_tree_at;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How often a look-up is tried that a rename elsewhere disturbed: openat2(2), `EAGAIN`.
const TRIES: u32 = 64;

/// Such a folder. Links never lead out of it, also absolute ones and those with `..`.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

impl Root {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(folder, flags, Mode::empty())?))
    }

    /// Opens an existing file.
    pub(crate) fn find(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        for _ in 0..TRIES {
            match openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The folder that contains the last name of a path. Missing folders are created.
    pub(crate) fn parent(&self, path: &Path, meter: &Meter<'_>) -> io::Result<OwnedFd> {
        let folder = OFlags::PATH | OFlags::DIRECTORY;
        let mut missing = Vec::new();
        let mut above = path.parent().unwrap_or(Path::new(""));
        let mut at = loop {
            meter.in_time()?;
            match (self.find(above, folder), above.file_name()) {
                (Err(Errno::NOENT), Some(name)) => missing.push(name),
                (found, _) => break found?,
            }
            above = above.parent().unwrap_or(Path::new(""));
        };
        while let Some(name) = missing.pop() {
            // Fails where a link leads to nothing: what it would mean is not for us to say.
            self.make(&at, name, Mode::from_raw_mode(0o755), meter)?;
            at = openat(&at, name, folder | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        }
        Ok(at)
    }

    /// Makes a folder in one that is below the root.
    pub(crate) fn make(&self, at: &OwnedFd, name: &OsStr, mode: Mode, meter: &Meter<'_>) -> io::Result<()> {
        meter.depth(self.depth(at, meter)?)?;
        Ok(mkdirat(at, name, mode)?)
    }

    /// How many folders below the root a folder is, counted up to the bound. Its path does not tell: `l/d` is
    /// three below where `l` is a link to `d/d`.
    fn depth(&self, folder: &OwnedFd, meter: &Meter<'_>) -> io::Result<u64> {
        let root = fstat(&self.0)?;
        let mut above: Option<OwnedFd> = None;
        for depth in 0..meter.limits.depth {
            meter.in_time()?;
            let at = above.as_ref().unwrap_or(folder);
            let found = fstat(at)?;
            if (found.st_dev, found.st_ino) == (root.st_dev, root.st_ino) {
                return Ok(depth);
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            above = Some(openat(at, "..", flags, Mode::empty())?);
        }
        Ok(meter.limits.depth)
    }
}

/// The path of an archive's member, below the root; `Err` says why it is refused.
pub(crate) fn inside(path: &Path) -> Result<PathBuf, &'static str> {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err("its path has '..' in it"),
            Component::RootDir | Component::Prefix(_) => return Err("its path is absolute"),
        }
    }
    Ok(inside)
}

/// Removes what is in a folder where `which` says so of its name.
pub(crate) fn remove_in(folder: &OwnedFd, mut which: impl FnMut(&OsStr) -> bool) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." && which(name) {
            names.push(name.to_owned());
        }
    }
    names.iter().try_for_each(|name| remove_tree_at(folder, name).map(drop))
}
