//! An image as a folder or as a tar archive.

use crate::at;
use isotare_core::{Base, Image, Source};
use isotare_files::{Links, regular};
use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Writes the image's files below `root`, which exists.
pub fn lay_out(image: &Image, root: &Path) -> io::Result<()> {
    for file in &image.files {
        let path = root.join(file.path.strip_prefix("/").unwrap_or(&file.path));
        let named = |error| at(path.display())(error);
        match &file.source {
            Source::Folder => fs::create_dir_all(&path).map_err(named)?,
            Source::Link(target) => symlink(target, &path).map_err(named)?,
            Source::Host(source) => {
                let mut content = regular(source, Links::Followed).map_err(at(source.display()))?;
                io::copy(&mut content, &mut fs::File::create(&path).map_err(named)?).map_err(named)?;
            }
            Source::Bytes(bytes) => fs::write(&path, bytes).map_err(named)?,
        }
        if !matches!(file.source, Source::Link(_)) {
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).map_err(named)?;
        }
    }
    Ok(())
}

/// Writes the image as a tar archive: its base tree as it is, less what its own files replace (Docker takes
/// no path twice), and then those, which belong to root and have no times, so that equal images are equal
/// bytes.
pub fn write_tar(image: &Image, to: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    if let Base::Tree(tree) = &image.base {
        archive.follow_symlinks(false);
        let replaced: HashSet<&Path> = image.files.iter().map(|file| file.path.as_path()).collect();
        append_tree(&mut archive, tree, Path::new("/"), &replaced)?;
    }
    for file in &image.files {
        let path = file.path.strip_prefix("/").unwrap_or(&file.path);
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        match &file.source {
            Source::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                archive.append_data(&mut header, path, io::empty())?;
            }
            Source::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                archive.append_link(&mut header, path, target)?;
            }
            Source::Host(source) => {
                let content = regular(source, Links::Followed).map_err(at(source.display()))?;
                header.set_size(content.metadata()?.len());
                archive.append_data(&mut header, path, content)?;
            }
            Source::Bytes(bytes) => {
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, path, &bytes[..])?;
            }
        }
    }
    archive.into_inner()?.flush()
}

/// Appends what is in the folder `inside` of a tree, parents first.
fn append_tree(
    archive: &mut tar::Builder<impl Write>,
    tree: &Path,
    inside: &Path,
    replaced: &HashSet<&Path>,
) -> io::Result<()> {
    for entry in fs::read_dir(tree.join(inside.strip_prefix("/").unwrap_or(inside)))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        if !replaced.contains(path.as_path()) {
            archive.append_path_with_name(entry.path(), path.strip_prefix("/").unwrap_or(&path))?;
        }
        if entry.file_type()?.is_dir() {
            append_tree(archive, tree, &path, replaced)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::with_sources;
    use std::sync::Arc;

    fn image() -> Image {
        let mut image = Image::default();
        image.add(Path::new("/bin/tool"), Source::Bytes(Arc::from(*b"#!x")), 0o755);
        image.add(Path::new("/bin/alias"), Source::Link("tool".into()), 0o777);
        image
    }

    #[test]
    fn a_folder_and_a_tar_have_the_same_content() {
        let folder = tempfile::tempdir().expect("a folder");
        lay_out(&image(), folder.path()).expect("laid out");
        let mut bytes = Vec::new();
        write_tar(&image(), &mut bytes).expect("archived");
        let unpacked = tempfile::tempdir().expect("a folder");
        tar::Archive::new(&bytes[..]).unpack(unpacked.path()).expect("unpacked");
        for root in [folder.path(), unpacked.path()] {
            assert_eq!(fs::read(root.join("bin/alias")).expect("through the link"), b"#!x");
            assert_eq!(
                fs::metadata(root.join("bin/tool")).expect("there").permissions().mode() & 0o777,
                0o755
            );
        }
    }

    #[test]
    fn an_archive_begins_with_the_base_and_has_no_path_twice() {
        let tree = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(tree.path().join("bin")).expect("made");
        fs::write(tree.path().join("bin/tool"), "of the tree").expect("written");
        fs::write(tree.path().join("bin/other"), "of the tree").expect("written");
        symlink("/outside", tree.path().join("link")).expect("linked");
        let image = Image { base: Base::Tree(tree.path().to_owned()), ..image() };
        let mut bytes = Vec::new();
        write_tar(&image, &mut bytes).expect("archived");
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().expect("read").map(|entry| entry.expect("an entry"));
        let mut paths: Vec<_> =
            entries.map(|entry| entry.path().expect("a path").to_string_lossy().into_owned()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["bin", "bin/alias", "bin/other", "bin/tool", "link"]);
    }

    #[test]
    fn a_source_that_is_not_a_file_is_refused_without_waiting() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        let mut image = Image::default();
        image.add(Path::new("/a"), Source::Host(fifo), 0o644);
        let to = tempfile::tempdir().expect("a folder");
        for written in [lay_out(&image, to.path()), write_tar(&image, io::sink())] {
            assert!(with_sources(&written.expect_err("refused")).contains("fifo: it is a FIFO"));
        }
    }

    #[test]
    fn a_missing_source_is_named() {
        let mut image = Image::default();
        image.add(Path::new("/a"), Source::Host("/no/such/file".into()), 0o644);
        let folder = tempfile::tempdir().expect("a folder");
        let error = with_sources(&lay_out(&image, folder.path()).expect_err("missing"));
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
