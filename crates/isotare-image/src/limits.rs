//! Limits for the size of an unpacked image.

use isotare_core::{Deadline, Kind, SettingDef, SettingError, Settings};
use isotare_host::in_time;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// Limits for everything that is unpacked for one image, all its archives and layers together.
///
/// ```
/// use isotare_image::Limits;
/// let limits: Limits = "data=200G,entries=10000000".parse().unwrap();
/// assert_eq!((limits.data, limits.header), (200 << 30, 1 << 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files, holes included.
    pub data: u64,
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of one member's header, its long names and extended attributes included.
    pub header: u64,
    /// Bytes of all paths, which are kept in memory while an archive is unpacked.
    pub names: u64,
    /// Names of one path, and folders that lie in one another: links in paths can make these more.
    pub depth: u64,
}

const fn bound(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> SettingDef {
    SettingDef { key, kind, default: Some(default), help }
}

const DEFS: &[SettingDef] = &[
    bound("data", Kind::Size, "64G", "bytes of all files"),
    bound("entries", Kind::Integer { min: 1, max: u64::MAX }, "4000000", "files, folders and links"),
    bound("header", Kind::Size, "1M", "bytes of the header of one file in the archive"),
    bound("names", Kind::Size, "1G", "bytes of all paths"),
    // A path of this many names of 15 bytes is the longest that the kernel accepts. Images have some dozens
    // at the most.
    bound("depth", Kind::Integer { min: 1, max: u64::MAX }, "255", "names in a path, and nested folders"),
];

impl Limits {
    fn read<'a>(given: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SettingError> {
        let settings = Settings::check("the limits of images", DEFS, given)?;
        // Each has a default.
        let value = |key| settings.integer(key).unwrap_or_default();
        Ok(Self {
            data: value("data"),
            entries: value("entries"),
            header: value("header"),
            names: value("names"),
            depth: value("depth"),
        })
    }
}

impl Default for Limits {
    /// 64 GiB, four million entries, headers of 1 MiB, 1 GiB of paths, a depth of 255.
    fn default() -> Self {
        Self::read([]).unwrap_or(Self { data: 0, entries: 0, header: 0, names: 0, depth: 0 })
    }
}

impl FromStr for Limits {
    type Err = SettingError;

    /// Reads `key=value,…`; what is not named has its default.
    fn from_str(text: &str) -> Result<Self, SettingError> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        Self::read(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))))
    }
}

/// Counts what has been unpacked for one image so far.
pub(crate) struct Meter<'a> {
    pub(crate) limits: Limits,
    pub(crate) deadline: &'a Deadline,
    data: u64,
    entries: u64,
    names: u64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(limits: Limits, deadline: &'a Deadline) -> Self {
        Self { limits, deadline, data: 0, entries: 0, names: 0 }
    }

    /// Fails at the deadline and when the user interrupts the session.
    pub(crate) fn in_time(&self) -> io::Result<()> {
        in_time(self.deadline).map_err(io::Error::other)
    }

    /// A file of this many bytes is about to be written.
    pub(crate) fn data(&mut self, bytes: u64) -> io::Result<()> {
        self.data = self.data.saturating_add(bytes);
        within("data", "its files come to", self.data, "bytes", self.limits.data)
    }

    /// One more file, folder or link.
    pub(crate) fn entry(&mut self) -> io::Result<()> {
        self.entries += 1;
        within("entries", "it has", self.entries, "files, folders and links", self.limits.entries)
    }

    /// A path that is kept in memory.
    pub(crate) fn name(&mut self, bytes: usize) -> io::Result<()> {
        self.names = self.names.saturating_add(bytes as u64);
        within("names", "its paths come to", self.names, "bytes", self.limits.names)
    }

    /// A path of an archive, before anything is done for each of its names.
    pub(crate) fn path(&self, path: &Path) -> io::Result<()> {
        within("depth", "its path has", path.components().count() as u64, "names", self.limits.depth)
    }

    /// A folder that is about to be created inside this many others.
    pub(crate) fn depth(&self, above: u64) -> io::Result<()> {
        within("depth", "it makes", above.saturating_add(1), "nested folders", self.limits.depth)
    }
}

/// The error of a header that is longer than this.
pub(crate) fn long_header(limit: u64) -> io::Error {
    beyond("header", format!("the header of a file in the archive has more than {limit} bytes"), limit)
}

fn within(key: &str, what: &str, value: u64, unit: &str, limit: u64) -> io::Result<()> {
    match value <= limit {
        true => Ok(()),
        false => Err(beyond(key, format!("{what} {value} {unit} or more"), limit)),
    }
}

fn beyond(key: &str, what: String, limit: u64) -> io::Error {
    let why = format!(
        "{what}, but the limit for one image is {limit}; if you trust the image, raise the limit with \
         --image-limits {key}=…"
    );
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_errors_name_the_limit() {
        let default = Limits::default();
        assert_eq!((default.data, default.entries), (64 << 30, 4_000_000));
        assert_eq!("".parse(), Ok(default));
        assert_eq!("header=2M".parse(), Ok(Limits { header: 2 << 20, ..default }));
        for (text, told) in
            [("size=1", "size"), ("data", "data"), ("data=x", "'x'"), ("entries=0", "entries")]
        {
            let error = text.parse::<Limits>().expect_err(text).to_string();
            assert!(error.contains(told) && error.contains("the limits of images"), "{error}");
        }
    }
}
