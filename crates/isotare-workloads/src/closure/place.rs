//! Puts a file of the host into an image under the same path, with every link on the way.

use isotare_core::{Image, Source};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Adds the file. `path` is absolute; its folders and itself may be links, as `/lib` is on merged systems.
pub fn add(image: &mut Image, path: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("read {}: {error}", path.display());
    let mut resolved = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            resolved.pop();
            continue;
        }
        resolved.push(&name);
        let metadata = fs::symlink_metadata(&resolved).map_err(failed)?;
        if metadata.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(format!("read {}: too many links", path.display()));
            }
            let target = fs::read_link(&resolved).map_err(failed)?;
            image.add(&resolved, Source::Link(target.clone()), 0o777);
            match target.is_absolute() {
                true => resolved = PathBuf::from("/"),
                false => drop(resolved.pop()),
            }
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                rest.push_front(name);
            }
        } else if rest.is_empty() {
            if !metadata.is_file() {
                return Err(format!("{} is not a regular file", path.display()));
            }
            image.add(&resolved, Source::Host(resolved.clone()), metadata.permissions().mode() & 0o7777);
        }
    }
    Ok(())
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_link_on_the_way_is_kept_and_parents_come_first() {
        let root = tempfile::tempdir().expect("folder");
        let root = root.path().canonicalize().expect("path");
        fs::create_dir_all(root.join("usr/lib/v2")).expect("folders");
        fs::write(root.join("usr/lib/v2/x.1"), "x").expect("file");
        symlink("usr/lib", root.join("lib")).expect("link");
        symlink("v2/../v2/x.1", root.join("usr/lib/x")).expect("link");
        symlink(root.join("lib/x"), root.join("top")).expect("link");
        let mut image = Image::default();
        add(&mut image, &root.join("top")).expect("adds");
        let kinds: Vec<(String, &str)> = image
            .files
            .iter()
            .filter_map(|file| {
                let name = file.path.strip_prefix(&root).ok()?.to_str()?.to_owned();
                let kind = match file.source {
                    Source::Link(_) => "link",
                    Source::Host(_) => "file",
                    _ => "folder",
                };
                (!name.is_empty()).then_some((name, kind))
            })
            .collect();
        let expected = [
            ("top", "link"),
            ("lib", "link"),
            ("usr", "folder"),
            ("usr/lib", "folder"),
            ("usr/lib/x", "link"),
            ("usr/lib/v2", "folder"),
            ("usr/lib/v2/x.1", "file"),
        ];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
        symlink("loop", root.join("loop")).expect("link");
        assert!(add(&mut image, &root.join("loop")).expect_err("endless").contains("too many links"));
        assert!(add(&mut image, &root.join("nothing")).is_err());
    }
}
