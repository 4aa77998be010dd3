//! The file systems of a virtual machine: the kernel's own, another root, and the disk for data.

use crate::arguments::{Disk, Root};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_move};
use std::ffi::CStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where another root is mounted before it becomes the root.
const NEW_ROOT: &str = "/isotare/root";
/// Within the first bytes of an ext4 file system: its superblock's magic number and its name
/// (Documentation/filesystems/ext4/globals.rst).
const EXT4_MAGIC: (usize, [u8; 2]) = (0x438, [0x53, 0xef]);
const EXT4_NAME: std::ops::Range<usize> = 0x478..0x488;

/// Waits for a new device.
pub type Wait<'a> = dyn FnMut() -> Result<(), String> + 'a;

/// Mounts what every program expects.
pub fn mount_system() -> Result<(), String> {
    let restricted = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounts = [
        ("devtmpfs", "/dev", MountFlags::NOSUID, true),
        ("proc", "/proc", restricted, true),
        ("sysfs", "/sys", restricted, true),
        ("tmpfs", "/tmp", MountFlags::NOSUID | MountFlags::NODEV, true),
        ("tmpfs", "/dev/shm", MountFlags::NOSUID | MountFlags::NODEV, false),
        ("cgroup2", "/sys/fs/cgroup", restricted, false),
    ];
    for (kind, target, flags, needed) in mounts {
        // This fails if it already exists, and in a read-only root. In the second case the mount reports the
        // error.
        let _ = fs::create_dir_all(target);
        match mount(kind, target, kind, flags, None) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) if needed => return Err(format!("mount {kind} on {target}: {error}")),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Makes another file system the root. The first one, in memory, cannot be unmounted (switch_root(8)), so it
/// is hidden below the new one.
pub fn switch_root(root: &Root, wait: &mut Wait<'_>) -> Result<(), String> {
    fs::create_dir_all(NEW_ROOT).map_err(|e| format!("make {NEW_ROOT}: {e}"))?;
    let (source, kind, options): (PathBuf, &str, Option<&CStr>) = match root {
        Root::Disk(disk) => (find(disk, wait)?, "ext4", None),
        // The largest message of the transport: 125 pages (net/9p/trans_virtio.c).
        Root::NineP(tag) => (tag.into(), "9p", Some(c"trans=virtio,version=9p2000.L,msize=512000")),
        Root::Virtiofs(tag) => (tag.into(), "virtiofs", None),
    };
    let failed = |step: &str, error: Errno| format!("{step} the root {} ({kind}): {error}", source.display());
    mount(&source, NEW_ROOT, kind, MountFlags::empty(), options).map_err(|e| failed("mount", e))?;
    let enter = || {
        rustix::process::chdir(NEW_ROOT)?;
        mount_move(".", "/")?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")
    };
    enter().map_err(|e| failed("switch to", e))
}

/// Mounts the disk for data.
pub fn mount_disk(disk: &Disk, target: &Path, wait: &mut Wait<'_>) -> Result<(), String> {
    let device = find(disk, wait)?;
    mount(&device, target, "ext4", MountFlags::NOSUID | MountFlags::NODEV, None)
        .map_err(|e| format!("mount {} on {}: {e}", device.display(), target.display()))
}

/// The disk's device, once it is there.
fn find(disk: &Disk, wait: &mut Wait<'_>) -> Result<PathBuf, String> {
    loop {
        let found = match disk {
            Disk::Device(path) => path.exists().then(|| path.clone()),
            Disk::Named(name) => named(name),
        };
        match found {
            Some(path) => return Ok(path),
            None => wait().map_err(|e| format!("find disk {disk}: {e}"))?,
        }
    }
}

/// The block device whose ext4 file system has this name: which letter or number a disk gets depends on its
/// bus and on the order in which drivers find it.
fn named(name: &str) -> Option<PathBuf> {
    let devices = fs::read_dir("/sys/class/block").ok()?.filter_map(Result::ok);
    let mut paths = devices.map(|entry| Path::new("/dev").join(entry.file_name()));
    paths.find(|path| {
        let mut start = [0; EXT4_NAME.end];
        let read = File::open(path).and_then(|file| file.read_exact_at(&mut start, 0));
        read.is_ok() && ext4_name(&start) == Some(name.as_bytes())
    })
}

fn ext4_name(start: &[u8; EXT4_NAME.end]) -> Option<&[u8]> {
    let (at, magic) = EXT4_MAGIC;
    let name = start[EXT4_NAME].split(|&byte| byte == 0).next()?;
    start[at..].starts_with(&magic).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ext4_file_systems_have_a_name() {
        let mut start = [0; EXT4_NAME.end];
        start[EXT4_NAME.start..EXT4_NAME.start + 4].copy_from_slice(b"data");
        assert_eq!(ext4_name(&start), None);
        start[0x438..0x43a].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(ext4_name(&start), Some(&b"data"[..]));
    }
}
