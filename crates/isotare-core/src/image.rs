//! What an instance holds beside its runtime's own parts. One description serves every driver.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the agent's program is in every instance that has a root of its own.
pub const AGENT_PATH: &str = "/isotare/agent";
/// Folder that holds the agent's control socket (`agent.sock`) where the instance shares the host's kernel.
pub const CONTROL_DIR: &str = "/isotare/control";
/// Writable folder for files that workloads make.
pub const DATA_DIR: &str = "/isotare/data";

/// Files that an instance with a root of its own must hold. `native` needs none of it: it sees the host's.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The files, parents before children, each path once.
    pub files: Vec<ImageFile>,
}

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
