//! The data disk: an empty ext4 file system made once, copied for each trial.

use super::spec::DiskFormat;
use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::{find_program, output_of};
use rustix::fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Size of the disk as the guest sees it; on the host it is as large as what was written.
const SIZE: u64 = 1 << 30;

/// The disk from which those of trials are made.
#[derive(Debug)]
pub(super) struct Template {
    path: PathBuf,
    /// `qemu-img` where the format is qcow2; else it is raw.
    qemu_img: Option<PathBuf>,
}

impl Template {
    /// Makes it in the folder.
    pub(super) fn make(format: DiskFormat, folder: &Path, deadline: &Deadline) -> Result<Self, DriverError> {
        let mkfs = find_program("mkfs.ext4").ok_or_else(|| {
            Unavailable::new(
                "there is no mkfs.ext4 for the guest's data disk",
                "install it (Debian: e2fsprogs), or choose disk=none",
            )
        })?;
        let qemu_img = match format {
            DiskFormat::Raw => None,
            DiskFormat::Qcow2 => Some(find_program("qemu-img").ok_or_else(|| {
                Unavailable::new(
                    "there is no qemu-img for qcow2 disks",
                    "install it (Debian: qemu-utils), or choose disk=raw",
                )
            })?),
        };
        let path = folder.join("template.raw");
        let shown = path.display().to_string();
        File::create(&path)
            .and_then(|file| file.set_len(SIZE))
            .map_err(|e| DriverError::failed("make disk", &shown, e))?;
        // Nothing is left for the guest's kernel to initialise in the background of a measurement.
        let options = "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0";
        run(&mkfs, &["-q", "-F", "-m", "0", "-E", options, &shown], deadline)?;
        Ok(Self { path, qemu_img })
    }

    /// A fresh disk for one instance.
    pub(super) fn instantiate(&self, disk: &Path, deadline: &Deadline) -> Result<(), DriverError> {
        let shown = disk.display().to_string();
        match &self.qemu_img {
            Some(qemu_img) => {
                let backing = self.path.display().to_string();
                let arguments = ["create", "-q", "-f", "qcow2", "-b", &backing, "-F", "raw", &shown];
                run(qemu_img, &arguments, deadline)
            }
            None => copy_sparse(&self.path, disk).map_err(|e| DriverError::failed("make disk", shown, e)),
        }
    }
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

/// Copies a file, sharing its blocks where the file system can, else leaving its holes out.
fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (source, target) = (File::open(from)?, File::create(to)?);
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let length = fs::metadata(from)?.len();
    target.set_len(length)?;
    let mut end = 0;
    while end < length {
        let start = match seek(&source, SeekFrom::Data(end)) {
            Ok(start) => start,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        end = seek(&source, SeekFrom::Hole(start))?;
        copy_range(&source, &target, start, end)?;
    }
    Ok(())
}

fn copy_range(source: &File, target: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let left = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        match copy_file_range(source, Some(&mut read_at), target, Some(&mut write_at), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_copy_has_the_same_bytes_and_keeps_the_holes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let file = File::create(&from).expect("made");
        file.set_len(64 << 20).expect("sized");
        for (at, bytes) in [(5 << 20, &b"one"[..]), (40 << 20, &b"two"[..])] {
            file.write_all_at(bytes, at).expect("written");
        }
        copy_sparse(&from, &to).expect("copied");
        assert!(fs::read(&from).expect("read") == fs::read(&to).expect("read"));
        assert!(fs::metadata(&to).expect("there").blocks() * 512 < 4 << 20);
    }
}
