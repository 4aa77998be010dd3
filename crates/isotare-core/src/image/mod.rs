//! What an instance holds beside its runtime's own parts. One description serves every driver.

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

/// What of the host's root folder is its userland: all that [`Base::Host`] shows, where it is there.
pub const HOST_FOLDERS: [&str; 10] =
    ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "var"];

/// What an instance with a root of its own must hold. `native` needs none of it: it sees the host's.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The tree on which [`Image::files`] are put.
    pub base: Base,
    /// The files, parents before children, each path once.
    pub files: Vec<ImageFile>,
}

/// A tree that an image begins with. It is shared by all instances and never written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// Nothing: the image's own files are all there is.
    #[default]
    Empty,
    /// The host's own userland.
    Host,
    /// An unpacked root file system below this folder of the host.
    Tree(PathBuf),
}

/// The setting of every driver whose instances have a root of their own.
pub const IMAGE_SETTING: SettingDef = SettingDef {
    key: "image",
    kind: Kind::Image,
    default: Some("auto"),
    help: "root file system: auto (host for commands where it can be shown, else agent), agent, host, dir:PATH, tar:PATH, oci:PATH[@REF], docker:PATH[@NAME], debian[:PACKAGE+PACKAGE]",
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
    /// Adds a file with the folders above it, unless its path is there already.
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
