//! Copies of trees.

use crate::sparse::{Going, copy_sparse};
use isotare_host::at;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, chownat, mknodat, utimensat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// Copies a folder with all below it over what is at `to`: contents, kinds, permissions, owners (as far as
/// this user may give them), times and holes. Extended attributes are not copied, and hard links become files
/// of their own. `going` is asked before each file and between the pieces of a large one.
pub(crate) fn copy_tree(from: &Path, to: &Path, going: Going<'_>) -> io::Result<()> {
    let meta = fs::symlink_metadata(from).map_err(at(from.display()))?;
    copy(from, &meta, to, going)
}

fn copy(from: &Path, meta: &Metadata, to: &Path, going: Going<'_>) -> io::Result<()> {
    going()?;
    if meta.is_dir() {
        match fs::create_dir(to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && to.is_dir() => {}
            made => made.map_err(at(to.display()))?,
        }
        for entry in fs::read_dir(from).map_err(at(from.display()))? {
            let entry = entry?;
            copy(&entry.path(), &entry.metadata()?, &to.join(entry.file_name()), going)?;
        }
    } else {
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(to.display())(error)),
            _ => {}
        }
        if meta.is_file() {
            copy_sparse(from, to, going).map_err(at(from.display()))?;
        } else if meta.is_symlink() {
            symlink(fs::read_link(from)?, to).map_err(at(to.display()))?;
        } else {
            let kind = FileType::from_raw_mode(meta.mode());
            mknodat(CWD, to, kind, Mode::from_raw_mode(meta.mode()), meta.rdev())
                .map_err(|error| at(to.display())(error.into()))?;
        }
    }
    adopt(meta, to).map_err(at(to.display()))
}

/// Owner first: a change of it clears set-user-ID bits (chown(2)).
fn adopt(meta: &Metadata, to: &Path) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    match chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
        // Without permission to change owners, the copies belong to the user. The same is true for files of
        // users that are not mapped into a user namespace.
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    if !meta.is_symlink() {
        fs::set_permissions(to, Permissions::from_mode(meta.mode() & 0o7777))?;
    }
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(meta.atime(), meta.atime_nsec()),
        last_modification: time(meta.mtime(), meta.mtime_nsec()),
    };
    Ok(utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_complete_and_later_copies_replace_earlier_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let [lower, upper, to] = ["lower", "upper", "to"].map(|name| folder.path().join(name));
        fs::create_dir_all(lower.join("bin")).expect("made");
        fs::create_dir_all(upper.join("bin")).expect("made");
        fs::write(lower.join("bin/tool"), "old").expect("written");
        fs::write(lower.join("bin/other"), "kept").expect("written");
        fs::set_permissions(lower.join("bin/other"), Permissions::from_mode(0o4755)).expect("set");
        symlink("tool", lower.join("bin/alias")).expect("linked");
        fs::write(upper.join("bin/tool"), "new").expect("written");
        fs::write(upper.join("bin/alias"), "file").expect("written");
        copy_tree(&lower, &to, &|| Ok(())).expect("copied");
        copy_tree(&upper, &to, &|| Ok(())).expect("copied");
        let read = |name: &str| fs::read_to_string(to.join("bin").join(name)).expect("there");
        assert_eq!([read("tool"), read("other"), read("alias")], ["new", "kept", "file"]);
        let [was, is] = [&lower, &to].map(|root| fs::metadata(root.join("bin/other")).expect("there"));
        assert_eq!((is.mode(), is.mtime(), is.uid()), (was.mode(), was.mtime(), was.uid()));
    }

    #[test]
    fn a_copy_keeps_holes_and_special_files_and_can_be_stopped() {
        let folder = tempfile::tempdir().expect("a folder");
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir(&from).expect("made");
        fs::File::create(from.join("sparse")).and_then(|file| file.set_len(1 << 40)).expect("made");
        mknodat(CWD, from.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        copy_tree(&from, &to, &|| Ok(())).expect("copied");
        let found = fs::metadata(to.join("sparse")).expect("there");
        assert_eq!((found.len(), found.blocks()), (1 << 40, 0));
        assert!(!fs::metadata(to.join("fifo")).expect("there").is_file());
        let error = copy_tree(&from, &to, &|| Err(io::Error::other("stopped"))).expect_err("stopped");
        assert_eq!(error.to_string(), "stopped");
    }
}
