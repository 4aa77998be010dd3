//! Copies of files with holes.

use isotare_core::Deadline;
use isotare_files::{Links, regular};
use isotare_host::in_time;
use rustix::fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes that the kernel copies between two checks of the deadline.
const PIECE: u64 = 32 << 20;
/// Bytes of a piece that is copied through our memory.
const BUFFER: u64 = 1 << 20;

/// A check that long work calls between its pieces. An error ends the work.
pub(crate) type Going<'a> = &'a dyn Fn() -> io::Result<()>;

/// Continues until the deadline or an interrupt.
pub(crate) fn until(deadline: &Deadline) -> impl Fn() -> io::Result<()> + '_ {
    move || in_time(deadline).map_err(io::Error::other)
}

/// Copies a regular file (no link), sharing its blocks where the file system can, else leaving its holes out.
pub(crate) fn copy_sparse(from: &Path, to: &Path, going: Going<'_>) -> io::Result<()> {
    let (source, target) = (regular(from, Links::Refused)?, File::create(to)?);
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut end = 0;
    while end < length {
        let start = match seek(&source, SeekFrom::Data(end)) {
            Ok(start) => start,
            // The rest of the file is a hole.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        end = seek(&source, SeekFrom::Hole(start))?;
        copy_range(&source, &target, (start, end), going)?;
    }
    Ok(())
}

fn copy_range(source: &File, target: &File, (start, end): (u64, u64), going: Going<'_>) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        going()?;
        let left = usize::try_from((end - read_at).min(PIECE)).unwrap_or(usize::MAX);
        match copy_file_range(source, Some(&mut read_at), target, Some(&mut write_at), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            // Between file systems that the kernel does not copy between: copy_file_range(2).
            Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return pass_range(source, target, (read_at, end), going);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The same through our memory.
fn pass_range(source: &File, target: &File, (start, end): (u64, u64), going: Going<'_>) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(BUFFER.min(end - start)).unwrap_or_default()];
    let mut at = start;
    while at < end {
        going()?;
        let wanted = usize::try_from(BUFFER.min(end - at)).unwrap_or_default();
        match source.read_at(&mut buffer[..wanted], at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                target.write_all_at(&buffer[..count], at)?;
                at += count as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    fn going() -> io::Result<()> {
        Ok(())
    }

    /// A file of 64 MiB that contains only two words.
    fn sparse(path: &Path) -> File {
        let file = File::options().create_new(true).read(true).write(true).open(path).expect("made");
        file.set_len(64 << 20).expect("sized");
        for (at, bytes) in [(5 << 20, &b"one"[..]), (40 << 20, &b"two"[..])] {
            file.write_all_at(bytes, at).expect("written");
        }
        file
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_keeps_the_holes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let source = sparse(&from);
        copy_sparse(&from, &to, &going).expect("copied");
        assert!(fs::read(&from).expect("read") == fs::read(&to).expect("read"));
        assert!(fs::metadata(&to).expect("there").blocks() * 512 < 4 << 20);
        let passed = File::create(folder.path().join("c")).expect("made");
        pass_range(&source, &passed, (0, 64 << 20), &going).expect("passed");
        assert!(fs::read(&from).expect("read") == fs::read(folder.path().join("c")).expect("read"));
    }

    #[test]
    fn a_copy_can_be_stopped_and_does_not_wait_for_a_fifo() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let source = sparse(&from);
        let stopped = || Err(io::Error::other("stopped"));
        let target = File::create(&to).expect("made");
        for copy in [copy_range, pass_range] {
            let error = copy(&source, &target, (0, 64 << 20), &stopped).expect_err("stopped");
            assert_eq!((error.to_string().as_str(), fs::metadata(&to).expect("there").len()), ("stopped", 0));
        }
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        assert!(copy_sparse(&fifo, &to, &going).expect_err("refused").to_string().contains("a FIFO"));
    }
}
