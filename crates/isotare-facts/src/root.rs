//! Reads small files below a replaceable root.

use std::fs;
use std::path::{Path, PathBuf};

/// A fact under way: its name, and its value where the host tells.
pub(crate) type Fact = (&'static str, Option<String>);

/// Where a machine's file systems are.
pub(crate) struct Root(PathBuf);

impl Root {
    pub fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// Whether these are the file systems of the machine that this runs on.
    pub fn is_this_machine(&self) -> bool {
        self.0 == Path::new("/")
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// The trimmed text of a file.
    pub fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path(file)).ok().map(|text| text.trim().to_owned())
    }

    pub fn exists(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// The word in brackets of a file such as `always [madvise] never`.
    pub fn chosen(&self, file: &str) -> Option<String> {
        let text = self.text(file)?;
        let (_, rest) = text.split_once('[')?;
        rest.split_once(']').map(|(word, _)| word.to_owned())
    }

    /// Sorted names in a folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// `yes` or `no`.
pub(crate) fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// The value behind `key` and a colon, of the first such line.
pub(crate) fn colon(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}
