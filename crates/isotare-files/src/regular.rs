//! Files whose content is not trusted.

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log is read, bytes.
const LOG_LIMIT: u64 = 64 << 10;

/// What a link at the last name of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is followed: the user named this path.
    Followed,
    /// It is refused: somebody else may have put it there.
    Refused,
}

/// Opens a regular file to read it. A FIFO or a device is refused and is never waited for (`O_NONBLOCK`, open(2)).
pub fn regular(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    } else if let Some(kind) = special(FileType::from_raw_mode(rustix::fs::stat(path)?.st_mode)) {
        // Opening a device can already do something: a tape rewinds, a watchdog starts.
        return Err(unusable(&format!("it is {kind}, not a regular file")));
    }
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::LOOP) if links == Links::Refused => {
            return Err(unusable("it is a link, which is not followed"));
        }
        // A socket, or a FIFO or device that nobody serves: open(2).
        Err(Errno::NXIO) => return Err(unusable("it is a socket or device, not a regular file")),
        Err(error) => return Err(error.into()),
    };
    match special(FileType::from_raw_mode(fstat(&file)?.st_mode)) {
        Some(kind) => Err(unusable(&format!("it is {kind}, not a regular file"))),
        None => Ok(file.into()),
    }
}

/// The whole content of a file that is not larger than `limit` bytes; a larger one is an error. Links are refused.
pub fn whole(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    regular(path, Links::Refused)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(unusable(&format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The last `limit` bytes of a file. Links are refused.
pub fn tail(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = regular(path, Links::Refused)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a log says at its end: [`tail`] of 64 KiB as text; empty where there is nothing to read.
pub fn log_tail(path: &Path) -> String {
    tail(path, LOG_LIMIT).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn special(kind: FileType) -> Option<&'static str> {
    Some(match kind {
        FileType::RegularFile => return None,
        FileType::Directory => "a folder",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Symlink => "a link",
        FileType::Unknown => "of an unknown kind",
    })
}

fn unusable(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, mknodat};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_regular_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        fs::write(&path, "0123456789").expect("written");
        assert_eq!(whole(&path, 10).expect("read"), b"0123456789");
        assert!(whole(&path, 9).expect_err("too large").to_string().contains("larger than 9 bytes"));
        assert_eq!(tail(&path, 4).expect("read"), b"6789");
        assert_eq!(tail(&path, 40).expect("read"), b"0123456789");
    }

    #[test]
    fn a_sparse_file_costs_no_more_than_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sparse");
        File::create(&path).and_then(|file| file.set_len(20 << 30)).expect("made");
        assert!(whole(&path, 1 << 20).is_err());
        assert_eq!(tail(&path, 8).expect("read"), [0; 8]);
    }

    #[test]
    fn a_link_is_followed_only_where_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "secret").expect("written");
        symlink(&path, &link).expect("linked");
        for refused in [whole(&link, 100), tail(&link, 100)] {
            assert!(refused.expect_err("refused").to_string().contains("link"));
        }
        assert!(regular(&link, Links::Followed).is_ok());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let zero = folder.path().join("zero");
        symlink("/dev/zero", &zero).expect("linked");
        for path in [fifo.as_path(), &socket, folder.path(), Path::new("/dev/zero")] {
            for links in [Links::Followed, Links::Refused] {
                let why = regular(path, links).expect_err("refused").to_string();
                assert!(why.contains("not a regular file"), "{}: {why}", path.display());
            }
        }
        assert!(regular(&zero, Links::Followed).expect_err("refused").to_string().contains("a device"));
    }
}
