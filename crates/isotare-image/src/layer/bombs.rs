//! Small archives that claim to be large. Each must be refused at a limit, and before it uses many resources.

use super::tests::Place;
use super::*;
use crate::limits::Limits;
use isotare_core::{Deadline, Interrupt, with_sources};
use isotare_host::{WaitError, deadline_in};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tar::{Builder, Header};

/// Number of bytes that a bomb of these tests would have after unpacking.
const CLAIMED: u64 = 256 << 20;

fn limits() -> Limits {
    Limits { data: 1 << 20, entries: 50, header: 64 << 10, names: 4 << 10, depth: 100 }
}

/// The reason why an archive is refused, and how much of it was read.
fn refusal(archive: impl Read) -> (String, u64) {
    struct Counting<R>(R, u64);
    impl<R: Read> Read for Counting<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1 += count as u64;
            Ok(count)
        }
    }
    let (place, mut archive) = (Place::new(), Counting(archive, 0));
    let error = place.unpack_bytes(Kind::Layer, &mut archive, limits()).expect_err("refused");
    (with_sources(&error), archive.1)
}

/// A header of this kind for content of this size.
fn header(kind: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getegid().as_raw()));
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

/// An archive of empty files.
fn files(names: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for name in names {
        builder.append_data(&mut header(EntryType::Regular, "", 0), name, io::empty()).expect("appended");
    }
    builder.into_inner().expect("ended")
}

/// An archive with a sparse file of 256 MiB. It has only these bytes of data, at 100 MiB.
fn sparse(content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::create_new(folder.path().join("sparse")).expect("made");
    file.set_len(CLAIMED).expect("sized");
    file.write_all_at(content, 100 << 20).expect("written");
    let mut builder = Builder::new(Vec::new());
    builder.append_path_with_name(folder.path().join("sparse"), "sparse").expect("appended");
    let archive = builder.into_inner().expect("ended");
    assert!(archive.len() < 1 << 20, "the tar crate keeps holes");
    archive
}

#[test]
fn a_sparse_file_counts_by_its_length() {
    let (why, _) = refusal(&sparse(b"x")[..]);
    assert!(why.contains("member sparse") && why.contains("268435456 bytes"), "{why}");
    assert!(why.contains("1048576") && why.contains("--image-limits data="), "{why}");
}

#[test]
fn holes_are_kept() {
    let place = Place::new();
    place.unpack_bytes(Kind::Tree, &sparse(b"content")[..], Limits::default()).expect("unpacked");
    let found = fs::metadata(place.tree().join("sparse")).expect("there");
    assert_eq!(found.len(), CLAIMED);
    assert!(found.blocks() * 512 < 4 << 20, "{} blocks", found.blocks());
    let mut bytes = [0; 9];
    let file = File::open(place.tree().join("sparse")).expect("opened");
    file.read_exact_at(&mut bytes, (100 << 20) - 1).expect("read");
    assert_eq!(&bytes, b"\0content\0");
}

#[test]
fn unpacking_one_file_stops_at_an_interrupt_and_at_the_deadline() {
    /// Raises the interrupt when something other than a header is read.
    struct Raising<'a>(&'a [u8], Interrupt);
    impl Read for Raising<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            if buffer.len() as u64 != BLOCK {
                self.1.raise();
            }
            Ok(count)
        }
    }
    let (archive, interrupt) = (sparse(b"x"), Interrupt::default());
    let soon = deadline_in(Duration::from_secs(60), &interrupt);
    let place = Place::new();
    stopped(&place, Raising(&archive, interrupt), &soon);
    assert!(fs::metadata(place.tree().join("sparse")).expect("begun").len() < CLAIMED);
    let past = Deadline { at: isotare_core::Timestamp(0), interrupt: Interrupt::default() };
    let place = Place::new();
    stopped(&place, &archive[..], &past);
    assert!(!place.tree().join("sparse").exists());
}

/// Unpacks an archive that a deadline or an interrupt must end.
fn stopped(place: &Place, archive: impl Read, deadline: &Deadline) {
    let root = Root::open(&place.tree()).expect("opened");
    let mut meter = Meter::new(Limits::default(), deadline);
    let error = unpack(archive, Kind::Tree, &root, &mut meter).expect_err("stopped");
    assert!(error.get_ref().is_some_and(|inner| inner.is::<WaitError>()), "{error}");
}

#[test]
fn looking_for_a_members_folder_stops_at_an_interrupt() {
    let (place, interrupt) = (Place::new(), Interrupt::default());
    interrupt.raise();
    let soon = deadline_in(Duration::from_secs(60), &interrupt);
    let root = Root::open(&place.tree()).expect("opened");
    let meter = Meter::new(limits(), &soon);
    let error = root.parent(Path::new("d/d/d/file"), &meter).expect_err("stopped");
    assert!(error.get_ref().is_some_and(|inner| inner.is::<WaitError>()), "{error}");
    assert_eq!(fs::read_dir(place.tree()).expect("listed").count(), 0);
    // A member without content is not begun either.
    stopped(&place, &files(["file".to_owned()])[..], &soon);
    assert_eq!(fs::read_dir(place.tree()).expect("listed").count(), 0);
}

#[test]
fn headers_above_the_bound_are_not_read_into_memory() {
    for kind in [EntryType::XHeader, EntryType::GNULongName, EntryType::GNULongLink] {
        let header = header(kind, "bomb", CLAIMED);
        let content = io::repeat(b'a').take(CLAIMED);
        let (why, read) = refusal(header.as_bytes().chain(content));
        assert!(why.contains("more than 65536 bytes") && why.contains("--image-limits header="), "{why}");
        assert!(read <= (64 << 10) + BLOCK, "{read} bytes were read");
    }
    // Blocks of the map of a sparse file. Each says that another one follows: tar(5).
    let mut first = header(EntryType::GNUSparse, "bomb", 0);
    first.as_gnu_mut().expect("of GNU").isextended[0] = 1;
    first.set_cksum();
    let mut next = [0; 512];
    next[504] = 1;
    let blocks = next.repeat(1 << 13);
    let (why, _) = refusal(first.as_bytes().chain(&blocks[..]));
    assert!(
        why.contains("after the archive's beginning: the header of a file in the archive has more than"),
        "{why}"
    );
}

#[test]
fn long_headers_below_the_bound_are_read() {
    let place = Place::new();
    let name = ["long"; 40].join("-");
    place.unpack_bytes(Kind::Layer, &files([name.clone()])[..], limits()).expect("unpacked");
    assert!(place.tree().join(name).exists());
    // The content of a member that is skipped must not be read as the header of the next one.
    let mut archive = header(EntryType::Char, "device", 1 << 20).as_bytes().to_vec();
    archive.resize(archive.len() + (1 << 20), b'x');
    archive.extend(files(["after".to_owned()]));
    place.unpack_bytes(Kind::Layer, &archive[..], limits()).expect("unpacked");
    assert!(place.tree().join("after").exists());
}

#[test]
fn files_and_the_folders_that_they_need_are_counted() {
    let many = files((0..60).map(|number| number.to_string()));
    let deep = files([["d"; 60].join("/")]);
    // The same file is written again and again, so there is never more than one.
    let again = files(vec!["same".to_owned(); 60]);
    for archive in [many, deep, again] {
        let (why, _) = refusal(&archive[..]);
        assert!(why.contains("it has 51 files, folders and links or more"), "{why}");
        assert!(why.contains("--image-limits entries="), "{why}");
    }
}

#[test]
fn paths_in_memory_are_counted() {
    let (why, _) = refusal(&files((0..45).map(|number| format!("{number}{}", "x".repeat(150))))[..]);
    assert!(why.contains("its paths come to") && why.contains("--image-limits names="), "{why}");
    // All paths above a path must be stored as well. Here they need 50 MB.
    let (why, _) = refusal(&files([["d"; 5000].join("/")])[..]);
    assert!(why.contains("its path is longer than 4096 bytes"), "{why}");
}

#[test]
fn links_do_not_make_a_tree_deeper_than_its_bound() {
    // Each link leads to the end of a path that begins with the link before it. So no single path has more
    // than 31 names.
    let archive = |kind, links: u32| {
        let mut builder = Builder::new(Vec::new());
        let mut start = String::new();
        for number in 0..links {
            let end = format!("{start}{}", ["d"; 30].join("/"));
            builder.append_data(&mut header(kind, "", 0), format!("{end}/x"), io::empty()).expect("appended");
            let mut link = header(EntryType::Symlink, "", 0);
            builder.append_link(&mut link, format!("l{number}"), end).expect("appended");
            start = format!("l{number}/");
        }
        builder.into_inner().expect("ended")
    };
    let limits = Limits { depth: 100, ..Limits::default() };
    for kind in [EntryType::Regular, EntryType::Directory] {
        let place = Place::new();
        place.unpack_bytes(Kind::Layer, &archive(kind, 3)[..], limits).expect("90 nested folders");
        let error = place.unpack_bytes(Kind::Layer, &archive(kind, 40)[..], limits).expect_err("refused");
        let why = with_sources(&error);
        assert!(why.contains("member l2/d/d") && why.contains("101 nested folders"), "{why}");
        assert!(why.contains("is 100") && why.contains("--image-limits depth="), "{why}");
    }
    let place = Place::new();
    place.unpack_bytes(Kind::Tree, &files([["d"; 100].join("/")])[..], limits).expect("100 names");
    for archive in [files([["d"; 101].join("/")]), {
        let mut builder = Builder::new(Vec::new());
        let mut link = header(EntryType::Link, "", 0);
        builder.append_link(&mut link, "link", ["d"; 101].join("/")).expect("appended");
        builder.into_inner().expect("ended")
    }] {
        let error = place.unpack_bytes(Kind::Tree, &archive[..], limits).expect_err("refused");
        let why = with_sources(&error);
        assert!(why.contains("its path has 101 names") && why.contains("--image-limits depth="), "{why}");
    }
}
