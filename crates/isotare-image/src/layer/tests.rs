//! Tests with correct and with malicious layers. There is a test for each trick of an archive.

use super::*;
use crate::limits::Limits;
use isotare_core::{Interrupt, with_sources};
use isotare_host::deadline_in;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;
use tar::{Builder, Header};

/// A tree, beside files that must not be changed.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("tree")).expect("made");
        fs::create_dir(folder.path().join("outside")).expect("made");
        fs::write(folder.path().join("outside/precious"), "as it was").expect("written");
        Self { folder }
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn outside(&self) -> String {
        self.folder.path().join("outside").display().to_string()
    }

    fn unpack(&self, kind: Kind, members: &[Member<'_>]) -> io::Result<()> {
        self.unpack_bytes(kind, &archive(members)[..], Limits::default())
    }

    pub(super) fn unpack_bytes(&self, kind: Kind, archive: impl Read, limits: Limits) -> io::Result<()> {
        let deadline = deadline_in(Duration::from_secs(30), &Interrupt::default());
        let root = Root::open(&self.tree()).expect("opened");
        unpack(archive, kind, &root, &mut Meter::new(limits, &deadline))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.tree().join(path)).unwrap_or_else(|error| error.kind().to_string())
    }

    fn untouched(&self) {
        let outside = self.folder.path().join("outside");
        let names: Vec<_> =
            fs::read_dir(&outside).expect("listed").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["precious"]);
        assert_eq!(fs::read_to_string(outside.join("precious")).expect("read"), "as it was");
        assert_eq!(fs::metadata(outside.join("precious")).expect("there").mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(self.folder.path()).expect("listed").count(), 2);
    }
}

/// Kind, name as written in the header, and content or target.
type Member<'a> = (EntryType, &'a str, &'a str);

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;
const SYMLINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

/// The builder of the tar crate refuses the names that these tests need, so names are written into the header
/// as bytes.
fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, content) in members {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644 | if *kind == FOLDER { 0o111 } else { 0 });
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(1_000_000_000);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let is_file = *kind == FILE;
        if !is_file {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        let content = if is_file { content.as_bytes() } else { &[] };
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).expect("appended");
    }
    builder.into_inner().expect("ended")
}

#[test]
fn paths_that_leave_the_tree_are_refused() {
    let place = Place::new();
    let absolute = format!("{}/new", place.outside());
    for name in ["../outside/new", "a/../../outside/new", "..", &absolute, "/new", "a/.."] {
        for kind in [FILE, FOLDER, SYMLINK] {
            let error = with_sources(&place.unpack(Kind::Tree, &[(kind, name, "x")]).expect_err(name));
            assert!(error.contains("refused") && error.contains(name), "{error}");
        }
    }
    place.untouched();
}

#[test]
fn nothing_is_written_through_a_link_out_of_the_tree() {
    let place = Place::new();
    let outside = place.outside();
    for (link, target) in [("climbs", "../outside"), ("climbs-far", "../../../../../../../..")] {
        let members = [(SYMLINK, link, target), (FILE, &format!("{link}/new"), "x")];
        // The link is resolved within the image's own root. It may stay inside or fail, but must never leave
        // the tree.
        let _inside = place.unpack(Kind::Tree, &members);
        let _inside = place.unpack(Kind::Tree, &[(FOLDER, &format!("{link}/sub"), "")]);
        place.untouched();
    }
    let members = [(SYMLINK, "absolute", outside.as_str()), (FILE, "absolute/precious", "changed")];
    assert!(place.unpack(Kind::Tree, &members).is_err());
    place.untouched();
    // One archive makes a chain of links, and the next one uses it.
    place.unpack(Kind::Tree, &[(SYMLINK, "one", "two"), (SYMLINK, "two", "../outside")]).expect("links only");
    let _inside = place.unpack(Kind::Layer, &[(FILE, "one/precious", "changed")]);
    place.untouched();
}

#[test]
fn a_link_is_replaced_and_not_written_into() {
    let place = Place::new();
    let precious = format!("{}/precious", place.outside());
    for target in ["../outside/precious", &precious] {
        let members = [(SYMLINK, "file", target), (FILE, "file", "mine")];
        place.unpack(Kind::Tree, &members).expect("unpacked");
        assert_eq!(place.read("file"), "mine");
        // The mode of a folder is changed late. It must not change the target of a link that replaced the
        // folder.
        let members = [(FOLDER, "folder", ""), (SYMLINK, "folder", target)];
        place.unpack(Kind::Tree, &members).expect("unpacked");
    }
    place.untouched();
}

#[test]
fn hard_links_cannot_reach_files_outside_the_tree() {
    let place = Place::new();
    let precious = format!("{}/precious", place.outside());
    for target in ["../outside/precious", &precious] {
        let error = with_sources(&place.unpack(Kind::Tree, &[(HARD, "stolen", target)]).expect_err(target));
        assert!(error.contains("outside the tree"), "{error}");
    }
    let through =
        [(SYMLINK, "out", "../outside"), (HARD, "stolen", "out/precious"), (FILE, "stolen", "changed")];
    assert!(place.unpack(Kind::Tree, &through).is_err());
    // A hard link to a symbolic link is a symbolic link itself. Writing to its name replaces it.
    let to_link = [(SYMLINK, "link", precious.as_str()), (HARD, "same", "link"), (FILE, "same", "changed")];
    place.unpack(Kind::Tree, &to_link).expect("unpacked");
    assert_eq!(place.read("same"), "changed");
    place.untouched();
}

#[test]
fn whiteouts_cannot_remove_files_outside_the_tree() {
    let place = Place::new();
    for name in [".wh...", ".wh..", ".wh.", "a/.wh..."] {
        assert!(place.unpack(Kind::Layer, &[(FILE, name, "")]).is_err(), "{name}");
    }
    let outside = place.outside();
    for target in ["../outside", outside.as_str()] {
        place.unpack(Kind::Layer, &[(SYMLINK, "out", target)]).expect("a link");
        let _inside = place.unpack(Kind::Layer, &[(FILE, "out/.wh.precious", "")]);
        let _inside = place.unpack(Kind::Layer, &[(FILE, "out/.wh..wh..opq", "")]);
        place.untouched();
    }
    place.unpack(Kind::Layer, &[(FILE, ".wh.out", "")]).expect("removed");
    assert!(fs::symlink_metadata(place.tree().join("out")).is_err());
    place.untouched();
}

#[test]
fn whiteouts_remove_files_of_lower_layers_only() {
    let place = Place::new();
    let lower = [
        (FILE, "a/old", "1"),
        (FILE, "b/old", "1"),
        (FILE, "b/deep/old", "1"),
        (FILE, "c", "1"),
        (FILE, "d", "1"),
    ];
    place.unpack(Kind::Layer, &lower).expect("lower");
    let upper = [
        (FILE, "b/new", "2"),
        (FILE, "b/deep/new", "2"),
        (FILE, "b/.wh..wh..opq", ""),
        (FILE, "a/.wh.old", ""),
        (FILE, "c", "2"),
        (FILE, ".wh.c", ""),
        (FILE, ".wh.never-there", ""),
        (FILE, ".wh..wh.plnk", ""),
    ];
    place.unpack(Kind::Layer, &upper).expect("upper");
    let missing = io::ErrorKind::NotFound.to_string();
    for (path, content) in [
        ("a/old", missing.as_str()),
        ("b/old", &missing),
        ("b/deep/old", &missing),
        ("b/new", "2"),
        ("b/deep/new", "2"),
        ("c", "2"),
        ("d", "1"),
        ("b/.wh..wh..opq", &missing),
    ] {
        assert_eq!(place.read(path), content, "{path}");
    }
    // In a whole tree these are ordinary names.
    place.unpack(Kind::Tree, &[(FILE, ".wh.d", "kept")]).expect("unpacked");
    assert_eq!((place.read("d").as_str(), place.read(".wh.d").as_str()), ("1", "kept"));
}

#[test]
fn links_of_an_image_are_followed_within_its_root() {
    let place = Place::new();
    let members = [
        (FOLDER, "./", ""),
        (FOLDER, "./run/", ""),
        (SYMLINK, "./var/run", "/run"),
        (FILE, "./var/run/pid", "7"),
        (SYMLINK, "./bin", "usr/bin"),
        (FOLDER, "./usr/bin", ""),
        (FILE, "./bin/tool", "t"),
        (HARD, "./bin/same", "./bin/tool"),
    ];
    place.unpack(Kind::Tree, &members).expect("unpacked");
    assert_eq!((place.read("run/pid"), place.read("usr/bin/tool")), ("7".into(), "t".into()));
    let inode = |path: &str| fs::metadata(place.tree().join(path)).expect("there").ino();
    assert_eq!(inode("usr/bin/tool"), inode("usr/bin/same"));
    place.untouched();
}

#[test]
fn kinds_change_between_layers_and_devices_are_left_out() {
    let place = Place::new();
    place.unpack(Kind::Layer, &[(FILE, "x/y", "1"), (FILE, "z", "1")]).expect("lower");
    place.unpack(Kind::Layer, &[(FILE, "x", "2"), (FILE, "z/y", "2")]).expect_err("a file is no folder");
    place.unpack(Kind::Layer, &[(FOLDER, "z", ""), (FILE, "z/y", "2")]).expect("upper");
    assert_eq!((place.read("x"), place.read("z/y")), ("2".into(), "2".into()));
    let devices =
        [(EntryType::Char, "null", ""), (EntryType::Block, "disk", ""), (EntryType::Fifo, "pipe", "")];
    place.unpack(Kind::Layer, &devices).expect("unpacked");
    let names = ["null", "disk", "pipe"].map(|name| fs::symlink_metadata(place.tree().join(name)).is_ok());
    assert_eq!(names, [false, false, true]);
}

#[test]
fn modes_times_and_owners_are_kept() {
    let place = Place::new();
    let mut builder = Builder::new(Vec::new());
    for (kind, name, mode) in [(FOLDER, "closed", 0o555), (FILE, "closed/sudo", 0o4755)] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        let id = if rustix::process::geteuid().is_root() { 1234 } else { 0 };
        header.set_uid(id);
        header.set_gid(id);
        header.set_mtime(1_000_000_000);
        builder.append_data(&mut header, name, io::empty()).expect("appended");
    }
    let bytes = builder.into_inner().expect("ended");
    place.unpack_bytes(Kind::Tree, &bytes[..], Limits::default()).expect("unpacked");
    let found = |path: &str| fs::metadata(place.tree().join(path)).expect("there");
    assert_eq!(found("closed").mode() & 0o7777, 0o555);
    assert_eq!((found("closed/sudo").mode() & 0o7777, found("closed/sudo").mtime()), (0o4755, 1_000_000_000));
    if rustix::process::geteuid().is_root() {
        assert_eq!((found("closed/sudo").uid(), found("closed").gid()), (1234, 1234));
    }
    fs::set_permissions(place.tree().join("closed"), fs::Permissions::from_mode(0o755)).expect("opened");
}

#[test]
fn an_archive_that_ends_early_is_an_error() {
    let place = Place::new();
    let whole = archive(&[(FILE, "a", &"x".repeat(5000))]);
    let other = b"no archive at all, but long enough to be a header".repeat(30);
    for bytes in [&whole[..3000], &other] {
        assert!(place.unpack_bytes(Kind::Tree, bytes, Limits::default()).is_err());
    }
}

/// Names that are equal or contain each other, that contain `..`, or that look like whiteouts.
fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just(".."),
        Just("."),
        Just("a"),
        Just("b"),
        Just("outside"),
        Just("precious"),
        Just(".wh.a"),
        Just(".wh..wh..opq"),
        Just(".wh..."),
    ];
    (any::<bool>(), prop::collection::vec(part, 1..5))
        .prop_map(|(absolute, parts)| format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_archive_changes_files_outside_the_tree(
        members in prop::collection::vec((0..5_usize, name(), name(), any::<bool>()), 1..12),
        layer in any::<bool>(),
    ) {
        let place = Place::new();
        symlink("../outside", place.tree().join("b")).expect("linked");
        let kind = if layer { Kind::Layer } else { Kind::Tree };
        let outside = place.outside();
        for (which, name, target, aimed) in &members {
            let kinds = [FILE, FOLDER, SYMLINK, HARD, EntryType::Fifo];
            let target = if *aimed { &outside } else { target };
            // Members are unpacked one at a time, so that the others are still tried after one was refused.
            let _refused = place.unpack(kind, &[(kinds[*which], name, target)]);
        }
        place.untouched();
    }
}
