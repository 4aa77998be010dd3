//! What the host must have: QEMU, and KVM's device where it is asked for.

use isotare_core::{DriverError, PrepareContext, Unavailable};
use isotare_host::{find_program, output_of};
use std::fs::File;
use std::path::PathBuf;

/// QEMU and its version. `filter`: it has to be able to filter its system calls.
pub(super) fn find_qemu(filter: bool, cx: &PrepareContext<'_>) -> Result<(PathBuf, String), DriverError> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Unavailable::new("the driver knows x86-64 only", "use another driver here").into());
    }
    let install = "install it (Debian: qemu-system-x86)";
    let program = find_program("qemu-system-x86_64")
        .ok_or_else(|| Unavailable::new("there is no qemu-system-x86_64", install))?;
    let shown = program.display().to_string();
    let ask = |arguments: &[&str]| output_of(&program, arguments, &cx.deadline);
    let output = ask(&["--version"]).map_err(|e| e.during("ask for the version of", shown.clone()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version =
        text.lines().next().and_then(|line| line.split_once("version ")).map(|(_, rest)| rest.trim());
    match version {
        Some(version) if output.status.success() => {
            // Options are read in order, and the version ends the program: only what it cannot do makes that fail.
            if filter && !ask(&["-sandbox", "on", "-version"]).is_ok_and(|output| output.status.success()) {
                return Err(Unavailable::new(
                    format!("{shown} was built without -sandbox, or the kernel has no seccomp filters"),
                    "use a QEMU with seccomp (Debian's has it), or let it run unconfined: sandbox=off",
                )
                .into());
            }
            Ok((program, version.to_owned()))
        }
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Unavailable::new(format!("{shown} --version: {}: {said}", output.status), install).into())
        }
    }
}

/// Whether KVM's device opens, which is no proof yet.
pub(super) fn open_kvm() -> Result<(), Unavailable> {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(Unavailable::new(
            format!("/dev/kvm: {error}"),
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => "run as root, or join the group kvm",
                _ => {
                    "turn virtualisation on in the firmware and load kvm_intel or kvm_amd; accel=tcg needs neither"
                }
            },
        )),
    }
}
