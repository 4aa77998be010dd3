//! The files of an instance, without those of the runtime itself. All drivers use the same description.

mod reference;

pub use reference::{ImageReference, ReferenceError};

use crate::{Kind, SettingDef};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the agent's program is in every instance that has a root of its own.
pub const AGENT_PATH: &str = "/isotare/agent";
/// Folder that holds the agent's control socket (`agent.sock`) where the instance shares the host's kernel.
pub const CONTROL_DIR: &str = "/isotare/control";
/// Writable folder for files that workloads make.
pub const DATA_DIR: &str = "/isotare/data";

/// The parts of the host's root folder that are its userland. [`Base::Host`] shows those of them that exist.
pub const HOST_FOLDERS: [&str; 10] =
    ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "var"];

/// What an instance with its own root must contain. `native` does not need it, because it sees the host's
/// files.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The tree on which [`Image::files`] are put.
    pub base: Base,
    /// The files, parents before children, each path once.
    pub files: Vec<ImageFile>,
}

/// The tree on which an image is based. All instances share it, and it is never written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// Nothing: the image contains only its own files.
    #[default]
    Empty,
    /// The host's own userland.
    Host,
    /// An unpacked root file system below this folder of the host.
    Tree(PathBuf),
}

/// The setting of every driver whose instances have their own root.
pub const IMAGE_SETTING: SettingDef = SettingDef {
    key: "image",
    kind: Kind::Image,
    default: Some("auto"),
    help: "root file system: auto (host for commands, if the environment supports it; otherwise agent), \
           agent, host, dir:PATH, tar:PATH, oci:PATH[@REF], docker:PATH[@NAME], debian[:PACKAGE+PACKAGE]",
};

/// One file of an image.
#[derive(Clone, Debug)]
pub struct ImageFile {
    /// Absolute path in the instance, without `..`.
    pub path: PathBuf,
    /// Its content.
    pub source: Source,
    /// Permission bits; ignored for links.
    pub mode: u32,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of the host.
    Host(PathBuf),
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A symbolic link to this target.
    Link(PathBuf),
    /// An empty folder.
    Folder,
}

impl Image {
    /// Adds a file and the folders above it, unless the path already exists.
    pub fn add(&mut self, path: &Path, source: Source, mode: u32) {
        if self.files.iter().any(|file| file.path == path) {
            return;
        }
        if let Some(parent) = path.parent().filter(|parent| parent.parent().is_some()) {
            self.add(parent, Source::Folder, 0o755);
        }
        self.files.push(ImageFile { path: path.to_owned(), source, mode });
    }

    /// Adds all files of another image.
    pub fn extend(&mut self, other: Image) {
        other.files.into_iter().for_each(|file| self.add(&file.path, file.source, file.mode));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_only_once() {
        let mut image = Image::default();
        image.add(Path::new("/usr/lib/a"), Source::Bytes(Arc::from(*b"a")), 0o644);
        image.add(Path::new("/usr/lib/b"), Source::Bytes(Arc::from(*b"b")), 0o644);
        let paths: Vec<_> = image.files.iter().map(|file| file.path.to_str().unwrap_or("")).collect();
        assert_eq!(paths, ["/usr", "/usr/lib", "/usr/lib/a", "/usr/lib/b"]);
    }
}
