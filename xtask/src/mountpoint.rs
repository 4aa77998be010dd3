//! Container runtimes need `/` to be a mount point, which it is not in a plain chroot. There, tasks run in a
//! mount namespace of their own in which it is one.

use anyhow::{Context, Result};
use std::process::{Command, ExitCode};

/// Mounts `/` on `$0` and runs the rest with that as its root.
const SCRIPT: &str = r#"mount --rbind / "$0" && exec chroot "$0" "$@""#;

/// Runs this program again where `/` is a mount point; `None` where it is one already, or cannot be made one.
pub fn run_again() -> Result<Option<ExitCode>> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    // Field 5 is the mount point: proc_pid_mountinfo(5).
    let is_mount_point = mounts.lines().any(|line| line.split(' ').nth(4) == Some("/"));
    if is_mount_point || !may_mount() {
        return Ok(None);
    }
    let root = format!("/var/tmp/isotare-root-{}", std::process::id());
    std::fs::create_dir(&root).with_context(|| format!("make {root}"))?;
    let this = std::env::current_exe().context("find this program")?;
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "unchanged", "sh", "-c", SCRIPT, &root])
        .arg(this)
        .args(std::env::args().skip(1))
        .status()
        .context("start unshare (package util-linux)")?;
    // Where mounts propagate, ours came back to us. That there is nothing to unmount is the usual case.
    let _nothing_mounted = Command::new("umount").args(["--lazy", "--recursive", "--quiet", &root]).output();
    std::fs::remove_dir(&root).with_context(|| format!("remove {root}"))?;
    Ok(Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

fn may_mount() -> bool {
    Command::new("unshare")
        .args(["--mount", "--propagation", "unchanged", "true"])
        .output()
        .is_ok_and(|o| o.status.success())
}
