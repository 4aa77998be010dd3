//! Copies of files with holes.

use rustix::fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Copies a file, sharing its blocks where the file system can, else leaving its holes out.
pub(super) fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (source, target) = (File::open(from)?, File::create(to)?);
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let length = fs::metadata(from)?.len();
    target.set_len(length)?;
    let mut end = 0;
    while end < length {
        let start = match seek(&source, SeekFrom::Data(end)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        end = seek(&source, SeekFrom::Hole(start))?;
        copy_range(&source, &target, start, end)?;
    }
    Ok(())
}

fn copy_range(source: &File, target: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let left = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        match copy_file_range(source, Some(&mut read_at), target, Some(&mut write_at), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_copy_has_the_same_bytes_and_keeps_the_holes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let file = File::create(&from).expect("made");
        file.set_len(64 << 20).expect("sized");
        for (at, bytes) in [(5 << 20, &b"one"[..]), (40 << 20, &b"two"[..])] {
            file.write_all_at(bytes, at).expect("written");
        }
        copy_sparse(&from, &to).expect("copied");
        assert!(fs::read(&from).expect("read") == fs::read(&to).expect("read"));
        assert!(fs::metadata(&to).expect("there").blocks() * 512 < 4 << 20);
    }
}
