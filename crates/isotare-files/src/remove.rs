//! Removes trees of any depth that another user may have created.

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Names that are held at a time: a folder may have millions.
const BATCH: usize = 4096;

/// Removes a file, a link or a folder with all in it; follows no link. `Ok(false)`: it was not there.
///
/// However deep the tree is, three descriptors are open at the most and nothing recurses (the standard
/// library's `remove_dir_all` holds a descriptor for each level): a folder that is not empty is moved up,
/// next to the topmost ones, before it is emptied.
pub fn remove_tree(path: &Path) -> io::Result<bool> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it has no name by which it could be removed",
        ));
    };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(above, flags, Mode::empty()) {
        Ok(above) => remove_tree_at(&above, name),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The same of a name in an open folder.
pub fn remove_tree_at(folder: &impl AsFd, name: &OsStr) -> io::Result<bool> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let top = open_folder(folder, name)?;
    empty(&top)?;
    Ok(unlinkat(folder, name, AtFlags::REMOVEDIR).map(|()| true)?)
}

/// Removes all that is in a folder.
pub fn empty(top: &impl AsFd) -> io::Result<()> {
    let mut moved = 0;
    loop {
        let names = names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if !removed(top, &name)? {
                let folder = open_folder(top, OsStr::from_bytes(name.as_bytes()))?;
                flatten(&folder, top, &mut moved)?;
                drop(folder);
                unlinkat(top, &name, AtFlags::REMOVEDIR)?;
            }
        }
    }
}

/// Empties a folder: what cannot be removed at once is moved to the top.
fn flatten(folder: &OwnedFd, top: &impl AsFd, moved: &mut u64) -> io::Result<()> {
    loop {
        let names = names(folder)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if !removed(folder, &name)? {
                move_up(folder, &name, top, moved)?;
            }
        }
    }
}

fn move_up(folder: &OwnedFd, name: &CString, top: &impl AsFd, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        match renameat_with(folder, name, top, format!(".removed-{moved}"), RenameFlags::NOREPLACE) {
            // The tree has this name itself.
            Err(Errno::EXIST) => {}
            other => return Ok(other?),
        }
    }
}

/// Removes a name unless it is a folder that is not empty.
fn removed(folder: &impl AsFd, name: &CString) -> io::Result<bool> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open_folder(folder: &impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

fn names(folder: &impl AsFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mkdirat;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_is_removed_without_the_targets_of_its_links() {
        let root = tempfile::tempdir().expect("a folder");
        let (tree, other) = (root.path().join("tree"), root.path().join("other"));
        fs::create_dir_all(tree.join("a/b/c")).expect("made");
        fs::create_dir_all(&other).expect("made");
        fs::write(other.join("kept"), "x").expect("written");
        fs::write(tree.join("a/b/file"), "x").expect("written");
        fs::create_dir_all(tree.join(".removed-1/full")).expect("made");
        symlink(&other, tree.join("a/link")).expect("linked");
        assert!(remove_tree(&tree).expect("removed") && !tree.exists());
        assert!(!remove_tree(&tree).expect("it is gone"));
        assert!(other.join("kept").exists());
        symlink(&other, &tree).expect("linked");
        assert!(remove_tree(&tree).expect("removed") && other.join("kept").exists());
    }

    #[test]
    fn a_tree_that_is_deeper_than_the_limit_of_descriptors_is_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let top = root.path().join("deep");
        fs::create_dir(&top).expect("made");
        let mut at: OwnedFd = fs::File::open(&top).expect("opened").into();
        // The path is longer than the kernel accepts, and a recursive function would need a very large stack.
        for _ in 0..5000 {
            mkdirat(&at, "d", Mode::from_raw_mode(0o700)).expect("made");
            at = open_folder(&at, OsStr::new("d")).expect("opened");
        }
        drop(at);
        let before = getrlimit(Resource::Nofile);
        let few = Rlimit { current: Some(256), ..before };
        setrlimit(Resource::Nofile, few).expect("fewer descriptors");
        let gone = remove_tree(&top);
        setrlimit(Resource::Nofile, before).expect("as before");
        assert!(gone.expect("removed") && !top.exists());
    }
}
