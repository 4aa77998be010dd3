//! Adds an image's own files to a tree and respects the tree's links: if `/lib` is a link in the tree, files
//! of `/lib` go to its target. Our links never hide a folder of the tree.

use crate::root::Root;
use isotare_core::{HOST_FOLDERS, Image, ImageFile, Source};
use rustix::fs::{FileType, OFlags, fstat, readlinkat};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// A tree that files are put on.
pub(crate) struct Ground(Root);

impl Ground {
    pub(crate) fn open(tree: &Path) -> io::Result<Self> {
        Root::open(tree).map(Self)
    }

    /// Whether the tree has a program of this path.
    pub(crate) fn has_program(&self, path: &Path) -> bool {
        self.0.find(path, OFlags::PATH).and_then(fstat).is_ok_and(|found| {
            FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_mode & 0o111 != 0
        })
    }

    /// The files where they belong. Folders that the tree has are left out.
    pub(crate) fn place(&self, files: Vec<ImageFile>) -> Image {
        let mut placed = Image::default();
        let mut hidden = Vec::new();
        for file in files {
            match file.source {
                Source::Folder => {
                    let path = self.resolved(&file.path, true);
                    if self.kind(&path) != Some(FileType::Directory) {
                        placed.add(&path, Source::Folder, file.mode);
                    }
                }
                Source::Link(target) => {
                    let path = self.resolved(&file.path, false);
                    match self.kind(&path) {
                        Some(FileType::Directory) => hidden.push((path, target)),
                        _ => placed.add(&path, Source::Link(target), file.mode),
                    }
                }
                source => placed.add(&self.resolved(&file.path, false), source, file.mode),
            }
        }
        hidden.into_iter().for_each(|(link, target)| self.bridge(&link, &target, &mut placed));
        // A folder that was added for its child may be one that the tree has; its own permissions are to
        // stay.
        placed.files.retain(|file| {
            !matches!(file.source, Source::Folder) || self.kind(&file.path) != Some(FileType::Directory)
        });
        placed
    }

    /// Where a link of ours would hide a folder of the tree, each name behind the link gets one of its own.
    fn bridge(&self, link: &Path, target: &Path, placed: &mut Image) {
        let aim = link.parent().unwrap_or(Path::new("/")).join(target);
        let behind = |file: &ImageFile| {
            let rest = file.path.strip_prefix(&aim).ok()?;
            Some(rest.components().next()?.as_os_str().to_owned())
        };
        let mut names: Vec<OsString> = placed.files.iter().filter_map(behind).collect();
        names.dedup();
        for name in names {
            let (beside, aim) = (link.join(&name), aim.join(&name));
            match self.kind(&beside) {
                Some(FileType::Directory) => self.bridge(&beside, &aim, placed),
                _ => placed.add(&beside, Source::Link(aim), 0o777),
            }
        }
    }

    /// What the tree has at a path whose folders are no links.
    fn kind(&self, path: &Path) -> Option<FileType> {
        let found = self.0.find(path, OFlags::PATH | OFlags::NOFOLLOW).and_then(fstat).ok()?;
        Some(FileType::from_raw_mode(found.st_mode))
    }

    /// The path with the tree's links followed, `last` also those of its last name.
    fn resolved(&self, path: &Path, last: bool) -> PathBuf {
        let mut resolved = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = names(path).collect();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            let next = resolved.join(&name);
            let follow = (last || !rest.is_empty()) && links < MOST_LINKS;
            let target = match follow {
                true => self
                    .0
                    .find(&next, OFlags::PATH | OFlags::NOFOLLOW)
                    .and_then(|fd| readlinkat(fd, "", Vec::new())),
                false => Err(rustix::io::Errno::LOOP),
            };
            let Ok(target) = target else {
                resolved = next;
                continue;
            };
            links += 1;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            if target.is_absolute() {
                resolved = PathBuf::from("/");
            }
            names(&target).collect::<Vec<_>>().into_iter().rev().for_each(|name| rest.push_front(name));
        }
        resolved
    }
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Whether the host's userland, as instances see it, contains this path and the targets of its links.
pub(crate) fn host_shows(path: &Path) -> bool {
    let shown = |path: &Path| {
        let first = path.components().nth(1).map(|name| name.as_os_str().to_owned());
        first.is_some_and(|name| HOST_FOLDERS.iter().any(|folder| name == *folder))
            && !path.starts_with("/var/tmp")
    };
    shown(path) && path.canonicalize().is_ok_and(|path| shown(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;

    fn image() -> Image {
        let mut image = Image::default();
        image.add(Path::new("/bin"), Source::Link("usr/bin".into()), 0o777);
        image.add(Path::new("/lib"), Source::Link("usr/lib".into()), 0o777);
        image.add(Path::new("/usr/bin/tool"), Source::Bytes(Arc::from(*b"t")), 0o755);
        image.add(Path::new("/usr/lib/x86/libx.so"), Source::Bytes(Arc::from(*b"x")), 0o644);
        image
    }

    fn text(image: &Image) -> Vec<String> {
        let word = |file: &ImageFile| match &file.source {
            Source::Link(target) => format!("{} -> {}", file.path.display(), target.display()),
            Source::Folder => format!("{}/", file.path.display()),
            _ => file.path.display().to_string(),
        };
        image.files.iter().map(word).collect()
    }

    #[test]
    fn a_link_that_we_add_does_not_hide_a_folder_of_the_tree() {
        let tree = tempfile::tempdir().expect("a folder");
        for folder in ["bin", "lib/x86", "usr/bin"] {
            fs::create_dir_all(tree.path().join(folder)).expect("made");
        }
        fs::write(tree.path().join("bin/busybox"), "b").expect("written");
        let ground = Ground::open(tree.path()).expect("opened");
        assert_eq!(
            text(&ground.place(image().files)),
            [
                "/usr/bin/tool",
                "/usr/lib/",
                "/usr/lib/x86/",
                "/usr/lib/x86/libx.so",
                "/bin/tool -> /usr/bin/tool",
                "/lib/x86/libx.so -> /usr/lib/x86/libx.so",
            ]
        );
    }

    #[test]
    fn a_link_of_the_tree_is_followed_and_not_replaced() {
        let tree = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(tree.path().join("usr/lib")).expect("made");
        symlink("usr/lib", tree.path().join("lib")).expect("linked");
        symlink("/../../../../usr/lib", tree.path().join("lib64")).expect("linked");
        let mut image = Image::default();
        for path in ["/lib/a", "/lib64/b"] {
            image.add(Path::new(path), Source::Bytes(Arc::from(*b"x")), 0o644);
        }
        let ground = Ground::open(tree.path()).expect("opened");
        assert_eq!(text(&ground.place(image.files)), ["/usr/lib/a", "/usr/lib/b"]);
    }

    #[test]
    fn a_program_is_looked_for_inside_the_tree_only() {
        let tree = tempfile::tempdir().expect("a folder");
        fs::create_dir(tree.path().join("bin")).expect("made");
        fs::write(tree.path().join("bin/tool"), "t").expect("written");
        symlink("/bin/sh", tree.path().join("bin/sh")).expect("linked");
        symlink("/bin/tool", tree.path().join("bin/alias")).expect("linked");
        let ground = Ground::open(tree.path()).expect("opened");
        assert!(!ground.has_program(Path::new("/bin/tool")) && !ground.has_program(Path::new("/bin/sh")));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(tree.path().join("bin/tool"), mode).expect("changed");
        assert!(ground.has_program(Path::new("/bin/tool")) && ground.has_program(Path::new("/bin/alias")));
        assert!(!ground.has_program(Path::new("/bin")));
    }

    #[test]
    fn only_the_userland_of_the_host_is_visible() {
        assert!(host_shows(Path::new("/bin/sh")) && host_shows(Path::new("/etc/passwd")));
        assert!(!host_shows(Path::new("/proc/self/exe")) && !host_shows(Path::new("/usr/no/such/file")));
    }
}
