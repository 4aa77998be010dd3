//! Files whose content is not trusted.

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, lstat, open, openat2};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{File, read_link};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// How much of a log is read, bytes.
const LOG_LIMIT: u64 = 64 << 10;

/// How a link at the end of a path is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is followed: the user named this path. If another user created a link or folder on the way, the
    /// path has to lead to a file of that user, or to one that really is in that folder. The reason is that a
    /// pattern such as `results/*` matches everything that other users have put there.
    Followed,
    /// It is refused, because another user may have created it.
    Refused,
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file to read it. A FIFO or a device is refused and is never waited for (`O_NONBLOCK`,
/// open(2)).
pub fn regular(path: &Path, links: Links) -> io::Result<File> {
    if links == Links::Refused {
        return checked(open(path, READ | OFlags::NOFOLLOW, Mode::empty()));
    }
    // Opening a device can already do something (a tape rewinds, a watchdog starts), so it is looked at
    // first.
    let (found, meta) = look_up(path)?;
    match special(FileType::from_raw_mode(meta.st_mode)) {
        Some(kind) => Err(irregular(kind)),
        None => checked(open(handle(&found), READ, Mode::empty())),
    }
}

/// What a path leads to, links followed where [`Links::Followed`] allows it.
fn look_up(path: &Path) -> io::Result<(OwnedFd, Stat)> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let meta = fstat(&found)?;
    if let Some(stranger) = Stranger::on_the_way_to(path)? {
        stranger.may_show(&meta, &read_link(handle(&found))?)?;
    }
    Ok((found, meta))
}

/// A path to the file of a descriptor, even if another file has its old name now: proc_pid_fd(5).
fn handle(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Another user who controls where a path leads: the owner of its first folder or link that belongs neither
/// to us nor to root.
struct Stranger {
    user: u32,
    /// Where that folder really is; `None`: it is a link or a file.
    folder: Option<PathBuf>,
}

impl Stranger {
    fn on_the_way_to(path: &Path) -> io::Result<Option<Self>> {
        let path = std::path::absolute(path)?;
        let mut prefixes: Vec<&Path> = path.ancestors().collect();
        prefixes.reverse();
        for prefix in prefixes {
            let meta = lstat(prefix)?;
            if meta.st_uid != 0 && meta.st_uid != geteuid().as_raw() {
                let is_folder = FileType::from_raw_mode(meta.st_mode) == FileType::Directory;
                let folder = if is_folder { Some(prefix.canonicalize()?) } else { None };
                return Ok(Some(Self { user: meta.st_uid, folder }));
            }
        }
        Ok(None)
    }

    /// Whether this user may refer to a file: it belongs to that user, or it really is in that user's folder.
    fn may_show(&self, meta: &Stat, real: &Path) -> io::Result<()> {
        let is_inside = self.folder.as_ref().is_some_and(|folder| real.starts_with(folder));
        match meta.st_uid == self.user || is_inside {
            true => Ok(()),
            false => Err(unusable(&format!(
                "a link of uid {} leads to a file of uid {}; if you want to read that file, name it directly",
                self.user, meta.st_uid
            ))),
        }
    }
}

fn checked(opened: rustix::io::Result<OwnedFd>) -> io::Result<File> {
    let file = match opened {
        Ok(file) => file,
        Err(Errno::LOOP) => return Err(unusable("it is a link, and links are not followed")),
        // A socket, or a FIFO or device that nobody serves: open(2).
        Err(Errno::NXIO) => return Err(irregular("a socket or device")),
        Err(error) => return Err(error.into()),
    };
    match special(FileType::from_raw_mode(fstat(&file)?.st_mode)) {
        Some(kind) => Err(irregular(kind)),
        None => Ok(file.into()),
    }
}

/// The whole content of a file that is not larger than `limit` bytes; a larger one is an error. Links are
/// refused.
pub fn whole(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    of_file(regular(path, Links::Refused)?, limit)
}

/// The same of a file that the user named: links are followed, see [`Links::Followed`].
pub fn named(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    of_file(regular(path, Links::Followed)?, limit)
}

/// The whole content of a stream that is not longer than `limit` bytes, such as standard input; a longer one
/// is an error.
pub fn stream(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// Files below a folder that the user named. Other users may have created its content, so no link below it is
/// followed.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder. A link to it is followed, see [`Links::Followed`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let (folder, meta) = look_up(path)?;
        match FileType::from_raw_mode(meta.st_mode) {
            FileType::Directory => Ok(Self(folder)),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// The whole content of a file by its path from the folder on, as [`whole`]. No folder on the way is a
    /// link either, even if another user creates one meanwhile (`RESOLVE_NO_SYMLINKS`, openat2(2)).
    pub fn whole(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        of_file(checked(openat2(&self.0, path, READ, Mode::empty(), resolve))?, limit)
    }
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

/// The end of a log: [`tail`] of 64 KiB as text; empty if there is nothing to read.
pub fn log_tail(path: &Path) -> String {
    tail(path, LOG_LIMIT).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn of_file(file: File, limit: u64) -> io::Result<Vec<u8>> {
    // If the size is known, a file that is too large is not read.
    if file.metadata()?.len() > limit { Err(too_large(limit)) } else { stream(file, limit) }
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

fn irregular(kind: &str) -> io::Error {
    unusable(&format!("it is {kind}, not a regular file"))
}

fn too_large(limit: u64) -> io::Error {
    unusable(&format!("it is larger than {limit} bytes"))
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
    fn other_kinds_of_files_are_refused_without_waiting() {
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

    #[test]
    fn an_endless_stream_is_refused() {
        assert_eq!(stream(&b"12345"[..], 5).expect("read"), b"12345");
        let endless = io::repeat(0);
        assert!(stream(endless, 1000).expect_err("refused").to_string().contains("larger than 1000 bytes"));
    }

    #[test]
    fn no_link_below_a_folder_is_followed() {
        let root = tempfile::tempdir().expect("a folder");
        let (given, secret) = (root.path().join("given"), root.path().join("secret"));
        fs::create_dir_all(given.join("sub")).expect("made");
        fs::create_dir(&secret).expect("made");
        fs::write(given.join("sub/file"), "mine").expect("written");
        fs::write(secret.join("file"), "secret").expect("written");
        symlink(&secret, given.join("way")).expect("linked");
        symlink(secret.join("file"), given.join("link")).expect("linked");
        symlink(&given, root.path().join("alias")).expect("linked");
        for name in ["given", "alias"] {
            let folder = Folder::open(&root.path().join(name)).expect("opened");
            assert_eq!(folder.whole(Path::new("sub/file"), 10).expect("read"), b"mine");
            for path in ["way/file", "link"] {
                let why = folder.whole(Path::new(path), 10).expect_err(path).to_string();
                assert!(why.contains("it is a link"), "{path}: {why}");
            }
            assert!(folder.whole(Path::new("../secret/file"), 10).is_err());
            assert!(
                folder.whole(Path::new("sub"), 10).expect_err("refused").to_string().contains("a folder")
            );
        }
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
    fn a_link_of_another_user_does_not_lead_to_files_of_a_third_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let [ours, theirs, link] = ["ours", "theirs", "link"].map(|name| folder.path().join(name));
        if !geteuid().is_root() {
            println!("skipped: only root can give a link away");
            return;
        }
        let give =
            |path: &Path| std::os::unix::fs::lchown(path, Some(65534), Some(65534)).expect("given away");
        fs::write(&ours, "secret").expect("written");
        fs::write(&theirs, "public").expect("written");
        give(&theirs);
        symlink(&ours, &link).expect("linked");
        assert_eq!(named(&link, 10).expect("our own link"), b"secret");
        give(&link);
        let why = named(&link, 10).expect_err("refused").to_string();
        assert!(why.contains("a link of uid 65534 leads to a file of uid 0"), "{why}");
        fs::remove_file(&link).expect("removed");
        symlink(&theirs, &link).expect("linked");
        give(&link);
        assert_eq!(named(&link, 10).expect("from theirs to theirs"), b"public");
        // A link to a folder in the middle of a path has the same effect.
        let [their_folder, our_folder] = ["their-folder", "our-folder"].map(|name| folder.path().join(name));
        for made in [&their_folder, &our_folder] {
            fs::create_dir(made).expect("made");
        }
        give(&their_folder);
        fs::write(our_folder.join("file"), "secret").expect("written");
        fs::write(their_folder.join("result"), "root's").expect("written");
        symlink(&our_folder, their_folder.join("on")).expect("linked");
        let why = named(&their_folder.join("on/file"), 10).expect_err("refused").to_string();
        assert!(why.contains("leads to a file of uid 0"), "{why}");
        assert_eq!(named(&their_folder.join("result"), 10).expect("it lies there"), b"root's");
    }
}
