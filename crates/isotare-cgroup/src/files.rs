//! Reads and writes the small files of cgroup file systems, and understands their few formats.

use crate::CgroupError;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes a value in one call, as the kernel wants it; never makes a file.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|source| CgroupError::of("write", format!("'{value}' to {}", path.display()), source))
}

/// The whole text of a file.
pub(crate) fn read(path: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(path).map_err(CgroupError::at("read", path))
}

/// Makes a group unless it is there; true if it was made.
pub(crate) fn make(dir: &Path) -> Result<bool, CgroupError> {
    match fs::create_dir(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(CgroupError::at("create cgroup", dir)(error)),
    }
}

/// The number that is the whole text; `max` and anything else are no number.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The value of `key` in a flat keyed file (`key value` lines).
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `total` of the `some` line of a pressure file, µs (Documentation/accounting/psi.rst).
pub(crate) fn pressure_total(text: &str) -> Option<u64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_ascii_whitespace().find_map(|field| field.strip_prefix("total=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_read_and_missing_values_are_none() {
        let stat = "rss 1769472\nrss_huge 0\ntotal_rss 5\n";
        assert_eq!(keyed(stat, "rss"), Some(1_769_472));
        assert_eq!(keyed(stat, "total_rss"), Some(5));
        assert_eq!(keyed(stat, "huge"), None);
        assert_eq!(number("max\n"), None);
        assert_eq!(
            pressure_total("some avg10=1.03 avg60=2.09 avg300=2.84 total=25818395\n"),
            Some(25_818_395)
        );
        assert_eq!(pressure_total(""), None);
    }
}
