//! The file system that instances keep their data on.
//!
//! Source: proc_pid_mountinfo(5); the mount of a path is the one of its device number.

use crate::UNKNOWN;
use rustix::fs::{major, minor, stat, statvfs};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Free bytes at `path` of this machine, with its file system and device.
pub fn storage_facts(path: &Path) -> BTreeMap<String, String> {
    let free = statvfs(path).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize).to_string());
    let table = fs::read_to_string("/proc/self/mountinfo").ok();
    let mount = stat(path).ok().zip(table).and_then(|(stat, table)| {
        let device = format!("{}:{}", major(stat.st_dev), minor(stat.st_dev));
        let canonical = path.canonicalize().ok()?;
        mount_of(&table, &device, &canonical)
    });
    let (kind, source) = mount.unzip();
    [("data-free-bytes", free), ("data-file-system", kind), ("data-device", source)]
        .map(|(name, value)| (name.to_owned(), value.unwrap_or_else(|| UNKNOWN.to_owned())))
        .into()
}

/// Type and source of the innermost mount around `path`; by device number if none of that device is around
/// it, as in a btrfs subvolume.
fn mount_of(table: &str, device: &str, path: &Path) -> Option<(String, String)> {
    let around = table.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(2);
        let (number, point) = (before.next()?, before.nth(1)?);
        let mut after = after.split(' ');
        let found = (after.next()?.to_owned(), after.next()?.to_owned());
        let point = point.replace("\\040", " ");
        path.starts_with(&point).then_some(((number == device, point.len()), found))
    });
    // Of mounts on the same point, the last covers the others; `max_by_key` takes the last of equals.
    around.max_by_key(|(key, _)| *key).map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_of_a_device_is_used() {
        let table = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                     40 27 0:40 / /data rw - tmpfs tmpfs rw\n\
                     41 27 254:1 / /data rw shared:1 - xfs /dev/vdb rw\n";
        let find = |device, path| mount_of(table, device, Path::new(path)).map(|(kind, _)| kind);
        assert_eq!(find("254:1", "/data/x").as_deref(), Some("xfs"));
        assert_eq!(find("254:0", "/etc").as_deref(), Some("ext4"));
        assert_eq!(find("0:77", "/data/x").as_deref(), Some("xfs"), "a device that no mount names");
    }

    #[test]
    fn this_machine_has_storage() {
        let facts = storage_facts(Path::new("/"));
        assert!(facts["data-free-bytes"].parse::<u64>().is_ok(), "{facts:?}");
        assert_eq!(storage_facts(Path::new("/no/such/path"))["data-free-bytes"], UNKNOWN);
    }
}
