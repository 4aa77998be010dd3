//! The disk for a lab: programs and the script that runs the steps. It is read-only.

use super::image::ended;
use super::{Lab, Step};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program for labs.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name by which steps call it.
    pub name: &'static str,
    /// Its path on this host.
    pub path: PathBuf,
}

/// systemd starts only this script (`systemd.run=`, systemd-run-generator(8)). The disk is mounted at `/mnt`.
/// `results.rs` reads the lines that begin with `@`. Without `raw`, the terminal would echo and translate
/// them.
const RUN: &str = r#"#!/bin/sh
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw
export PATH="/mnt:$PATH" HOME=/root ISOTARE_AGENT=/mnt/isotare-agent ISOTARE_TALLY=/run/tally
second() { cut -d. -f1 /proc/uptime; }
for number in $(cd /mnt/steps && ls | sort -n); do
  : >/run/tally
  printf '\n@begin %s %s\n' "$number" "$(second)"
  sh -eu "/mnt/steps/$number"
  status=$?
  printf '\n'
  sed 's/^/@tally /' /run/tally
  printf '@end %s %s\n' "$status" "$(second)"
done
echo @done
"#;

/// Writes the disk of a lab to `disk`. `folder` is for temporary files.
pub(super) fn write(lab: &Lab, programs: &[Program], folder: &Path, disk: &Path) -> Result<(), String> {
    let tree = folder.join("tree");
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("write {path}: {error}")
    };
    fs::create_dir_all(tree.join("steps")).map_err(failed(&tree))?;
    for (number, step) in lab.steps.iter().map(Step::script).enumerate() {
        let path = tree.join("steps").join(number.to_string());
        fs::write(&path, step).map_err(failed(&path))?;
    }
    let run = tree.join("run");
    fs::write(&run, RUN).map_err(failed(&run))?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).map_err(failed(&run))?;
    for Program { name, path } in programs {
        fs::copy(path, tree.join(name)).map_err(failed(path))?;
    }
    // The disk is large enough for all programs, and sparse.
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-O", "^has_journal", "-d"]).arg(&tree).arg(disk).arg("2G");
    ended(&mut mkfs, &folder.join("log"))?;
    fs::remove_dir_all(&tree).map_err(failed(&tree))
}
