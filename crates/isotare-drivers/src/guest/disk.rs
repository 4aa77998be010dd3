//! Disks with an ext4 file system: made once, a fresh one for each trial.

use crate::sparse::{copy_sparse, until};
use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::{WaitError, find_program, output_of};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file system on a data disk.
pub(crate) const DATA_NAME: &str = "isotare-data";
/// Default size of a data disk.
pub(crate) const DATA_SIZE: u64 = 1 << 30;

/// A disk's format on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFormat {
    /// A sparse file of the disk's blocks.
    Raw,
    /// A copy of a template in QEMU's format.
    Qcow2,
    /// An empty layer in QEMU's format, with the template below it: blocks are copied when they are written.
    Qcow2Overlay,
}

/// The initial content of a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskPlan<'a> {
    /// Name of the file system, by which the agent finds it; at most 16 bytes.
    pub(crate) name: &'static str,
    /// Size that the guest sees, bytes. On the host it takes only as much space as was written.
    pub(crate) size: u64,
    /// The folder whose files it holds; otherwise it is empty.
    pub(crate) content: Option<&'a Path>,
}

impl DiskFormat {
    /// Its name in the settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Qcow2Overlay => "qcow2-overlay",
        }
    }

    /// Its name in QEMU.
    pub(crate) fn driver(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 | DiskFormat::Qcow2Overlay => "qcow2",
        }
    }
}

/// The disk from which those of trials are made.
#[derive(Debug)]
pub(crate) struct Template {
    path: PathBuf,
    /// `qemu-img` where a trial's disk is an overlay; else it is a copy.
    overlay: Option<PathBuf>,
}

impl Template {
    /// Makes it in the folder.
    pub(crate) fn make(
        plan: &DiskPlan<'_>,
        format: DiskFormat,
        folder: &Path,
        deadline: &Deadline,
    ) -> Result<Self, DriverError> {
        let mkfs = find_program("mkfs.ext4").ok_or_else(|| {
            Unavailable::new(
                "the program mkfs.ext4, which makes the guest's disks, is not installed",
                "install it (Debian: e2fsprogs), or choose disk=none and root=initramfs",
            )
        })?;
        let qemu_img = || {
            find_program("qemu-img").ok_or_else(|| {
                Unavailable::new(
                    "the program qemu-img, which makes qcow2 disks, is not installed",
                    "install it (Debian: qemu-utils), or choose disk=raw",
                )
            })
        };
        let path = folder.join(format!("{}.raw", plan.name));
        let shown = path.display().to_string();
        File::create(&path)
            .and_then(|file| file.set_len(plan.size))
            .map_err(|e| DriverError::failed("make disk", &shown, e))?;
        // So that the guest's kernel does not initialise anything in the background during a measurement.
        let options = "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0";
        let content = plan.content.map(|folder| folder.display().to_string());
        let mut arguments = vec!["-q", "-F", "-m", "0", "-L", plan.name, "-E", options];
        arguments.extend(content.iter().flat_map(|folder| ["-d", folder.as_str()]));
        arguments.push(&shown);
        run(&mkfs, &arguments, deadline)?;
        match format {
            DiskFormat::Raw => Ok(Self { path, overlay: None }),
            DiskFormat::Qcow2Overlay => Ok(Self { path, overlay: Some(qemu_img()?) }),
            DiskFormat::Qcow2 => {
                let converted = folder.join(format!("{}.qcow2", plan.name));
                let to = converted.display().to_string();
                run(&qemu_img()?, &["convert", "-f", "raw", "-O", "qcow2", &shown, &to], deadline)?;
                fs::remove_file(&path).map_err(|e| DriverError::failed("remove", &shown, e))?;
                Ok(Self { path: converted, overlay: None })
            }
        }
    }

    /// A fresh disk for one instance.
    pub(crate) fn instantiate(&self, disk: &Path, deadline: &Deadline) -> Result<(), DriverError> {
        let shown = disk.display().to_string();
        match &self.overlay {
            Some(qemu_img) => {
                let backing = self.path.display().to_string();
                let arguments = ["create", "-q", "-f", "qcow2", "-b", &backing, "-F", "raw", &shown];
                run(qemu_img, &arguments, deadline)
            }
            None => copy_sparse(&self.path, disk, &until(deadline))
                .map_err(|e| WaitError::from_io(e).during("make disk", shown)),
        }
    }
}

/// The size of a disk for the files of a folder, with `spare` bytes left.
pub(crate) fn size_for(folder: &Path, spare: u64) -> io::Result<u64> {
    /// Bytes of disk for which mkfs.ext4 makes one inode (`inode_ratio` in mke2fs.conf(5)).
    const PER_INODE: u64 = 16 << 10;
    const BLOCK: u64 = 4 << 10;
    let (bytes, files) = weigh(folder, BLOCK)?;
    // A quarter for the file system's own tables and journal.
    let needed = (bytes + bytes / 4).max(2 * files * PER_INODE) + (64 << 20) + spare;
    Ok(needed.next_multiple_of(1 << 20))
}

/// Bytes in whole blocks, and number of files.
fn weigh(folder: &Path, block: u64) -> io::Result<(u64, u64)> {
    let (mut bytes, mut files) = (block, 1);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        let (below, count) = match meta.is_dir() {
            true => weigh(&entry.path(), block)?,
            false => (if meta.is_file() { meta.len().next_multiple_of(block) } else { 0 }, 1),
        };
        (bytes, files) = (bytes + below, files + count);
    }
    Ok((bytes, files))
}

fn run(program: &Path, arguments: &[&str], deadline: &Deadline) -> Result<(), DriverError> {
    let line = || format!("{} {}", program.display(), arguments.join(" "));
    let output = output_of(program, arguments, deadline).map_err(|e| e.during("run", line()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(DriverError::failed("run", line(), format!("{}: {}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_for_its_files_and_spare_space() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("a")).expect("made");
        fs::write(folder.path().join("a/b"), vec![0; 1 << 20]).expect("written");
        let size = size_for(folder.path(), 10 << 20).expect("weighed");
        assert!((75 << 20..77 << 20).contains(&size) && size.is_multiple_of(1 << 20), "{size}");
    }
}
