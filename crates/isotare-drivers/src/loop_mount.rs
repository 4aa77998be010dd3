//! A file system of another type in a file in the environment's folder, for storage that needs it.

use isotare_core::{Deadline, DriverError, Interrupt, PrepareContext, Resource, Unavailable};
use isotare_host::{deadline_in, find_program, output_of, sweep};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Size of the file system. The file has holes where nothing was written.
const SIZE: u64 = 16 << 30;
/// Longest time for unmounting it.
const REMOVAL: Duration = Duration::from_secs(10);

/// A btrfs on a loop device. Dropping it unmounts it; the device goes with it (`mount -o loop` sets its
/// auto-clear flag: mount(8)).
#[derive(Debug)]
pub(crate) struct LoopMount(PathBuf);

impl LoopMount {
    /// Why it cannot be used here.
    pub(crate) fn btrfs_usable() -> Result<(), Unavailable> {
        crate::installed::root_only("a btrfs on a loop device")?;
        crate::installed::program("mkfs.btrfs", "Debian: btrfs-progs")?;
        let known = |list: String| list.split_whitespace().any(|word| word == "btrfs");
        let module = || {
            find_program("modprobe").is_some_and(|modprobe| {
                let soon = deadline_in(REMOVAL, &Interrupt::default());
                output_of(&modprobe, &["btrfs"], &soon).is_ok_and(|output| output.status.success())
            })
        };
        match std::fs::read_to_string("/proc/filesystems").is_ok_and(known) || module() {
            true => Ok(()),
            false => {
                Err(Unavailable::new("this kernel has no btrfs", "use another storage, or another kernel"))
            }
        }
    }

    /// Makes one in the environment's folder and mounts it at `point`, an empty folder.
    pub(crate) fn btrfs(point: &Path, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        Self::btrfs_usable()?;
        let image = cx.work.join("btrfs.img");
        let failed = |error: std::io::Error| {
            DriverError::failed("make file system", image.display().to_string(), error)
        };
        File::create(&image).and_then(|file| file.set_len(SIZE)).map_err(failed)?;
        run("mkfs.btrfs", &[Path::new("-q"), &image], &cx.deadline)?;
        cx.ledger
            .record(&Resource::Mount { path: point.to_owned() })
            .map_err(|error| DriverError::failed("record mount", point.display().to_string(), error))?;
        let mounted = Self(point.to_owned());
        run(
            "mount",
            &[Path::new("-t"), "btrfs".as_ref(), "-o".as_ref(), "loop".as_ref(), &image, &mounted.0],
            &cx.deadline,
        )?;
        Ok(mounted)
    }
}

impl Drop for LoopMount {
    fn drop(&mut self) {
        // What cannot be unmounted now is in the ledger.
        let _recorded =
            sweep(&Resource::Mount { path: self.0.clone() }, &deadline_in(REMOVAL, &Interrupt::default()));
    }
}

fn run(name: &'static str, arguments: &[&Path], deadline: &Deadline) -> Result<(), DriverError> {
    let program =
        find_program(name).ok_or_else(|| DriverError::failed("find program", name, "it is missing"))?;
    let arguments: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let line = format!("{name} {}", arguments.join(" "));
    let output = output_of(&program, &arguments, deadline).map_err(|error| error.during("run", &line))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(DriverError::failed("run", line, String::from_utf8_lossy(&output.stderr).trim())),
    }
}
