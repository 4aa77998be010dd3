//! Folders and files whose content decides what Isotare does. They must be private.

use rustix::fs::{Mode, OFlags, Stat, fstat, open};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Write permission of group and others.
const WRITABLE: u32 = 0o022;
/// In such a folder only the owner of a name may remove or rename it: inode(7).
const STICKY: u32 = 0o1000;

/// Makes a folder of mode 0700, or accepts one that is already there if [`check_private`] does. Folders above
/// it are made likewise where they are missing.
pub fn make_private(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    if let Some(above) = path.parent()
        && !above.exists()
    {
        make_private(above)?;
    }
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => check_private(&path),
    }
}

/// That a folder is a real one (no link), belongs to the effective user and is not writable by others, and
/// that nobody else can put another in its place: each folder above it belongs to the effective user or to
/// root, and if it is writable by others it is sticky. The error says which folder fails and why.
pub fn check_private(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match open(&path, flags, Mode::empty()) {
        Ok(folder) => folder,
        // With O_DIRECTORY and O_NOFOLLOW a link is reported as no folder: open(2).
        Err(Errno::LOOP | Errno::NOTDIR) => {
            return Err(distrust(&path, "it is a link or a file, not a folder"));
        }
        Err(error) => return Err(error.into()),
    };
    ours(&path, &fstat(&folder)?)?;
    // Links above are fine where nobody else can change them, so what is checked is where they lead.
    let Some(above) = path.parent() else { return Ok(()) };
    for above in above.canonicalize()?.ancestors() {
        let meta = rustix::fs::stat(above)?;
        let owner = meta.st_uid;
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(distrust(above, &format!("it belongs to another user (uid {owner})")));
        }
        if meta.st_mode & WRITABLE != 0 && meta.st_mode & STICKY == 0 {
            return Err(distrust(above, "other users may write to it, and it does not have the sticky bit"));
        }
    }
    Ok(())
}

/// Opens a file to read what will be acted on: a regular one (no link), of the effective user, not writable
/// by others.
pub fn own_file(path: &Path) -> io::Result<File> {
    let file = crate::regular(path, crate::Links::Refused)?;
    ours(path, &fstat(&file)?)?;
    Ok(file)
}

fn ours(path: &Path, meta: &Stat) -> io::Result<()> {
    let (owner, us) = (meta.st_uid, rustix::process::geteuid().as_raw());
    if owner != us {
        return Err(distrust(path, &format!("it belongs to uid {owner}, but this program runs as uid {us}")));
    }
    match meta.st_mode & WRITABLE {
        0 => Ok(()),
        _ => Err(distrust(path, &format!("other users may write to it (mode {:03o})", meta.st_mode & 0o777))),
    }
}

fn distrust(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is not trusted: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn why(result: io::Result<impl std::fmt::Debug>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("a/b");
        make_private(&path).expect("made");
        for folder in [&path, &root.path().join("a")] {
            let mode = fs::metadata(folder).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        make_private(&path).expect("accepted");
    }

    #[test]
    fn a_folder_that_others_could_have_filled_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("open");
        fs::create_dir(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("changed");
        assert!(why(make_private(&path)).contains("other users may write to it"));
        // A folder in which everybody may rename files cannot be trusted, nor can its content.
        let below = path.join("below");
        DirBuilder::new().mode(0o700).create(&below).expect("made");
        assert!(why(check_private(&below)).contains("sticky bit"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).expect("changed");
        check_private(&below).expect("as in /tmp");
        let link = root.path().join("link");
        symlink(&below, &link).expect("linked");
        assert!(why(make_private(&link)).contains("link"));
    }

    #[test]
    fn a_file_that_others_may_write_to_or_a_link_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("record");
        fs::write(&path, "x").expect("written");
        own_file(&path).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("changed");
        assert!(why(own_file(&path)).contains("other users may write to it (mode 666)"));
        let link = root.path().join("link");
        symlink("/etc/passwd", &link).expect("linked");
        assert!(why(own_file(&link)).contains("link"));
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            // Only root can give a file away.
            assert!(why(own_file(Path::new("/etc/passwd"))).contains("belongs to uid 0"));
            return;
        }
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("planted");
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("record"), "x").expect("written");
        for path in [&folder, &folder.join("record")] {
            chown(path, Some(65534), Some(65534)).expect("given away");
        }
        assert!(why(make_private(&folder)).contains("belongs to uid 65534"));
        assert!(why(own_file(&folder.join("record"))).contains("belongs to uid 65534"));
        assert!(why(make_private(&folder.join("ours"))).contains("belongs to another user"));
    }
}
