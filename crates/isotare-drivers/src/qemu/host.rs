//! Requirements on the host: QEMU, and KVM's device if KVM is requested.

use isotare_core::{DriverError, PrepareContext, Unavailable};
use isotare_host::{find_program, output_of};
use std::fs::File;
use std::path::PathBuf;

/// QEMU and its version. `filter`: it has to be able to filter its system calls.
pub(super) fn find_qemu(filter: bool, cx: &PrepareContext<'_>) -> Result<(PathBuf, String), DriverError> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Unavailable::new("the driver supports only x86-64", "use another driver here").into());
    }
    let install = "install it (Debian: qemu-system-x86)";
    let program = find_program("qemu-system-x86_64")
        .ok_or_else(|| Unavailable::new("the program qemu-system-x86_64 is not installed", install))?;
    let shown = program.display().to_string();
    let ask = |arguments: &[&str]| output_of(&program, arguments, &cx.deadline);
    let output = ask(&["--version"]).map_err(|e| e.during("ask for the version of", shown.clone()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version =
        text.lines().next().and_then(|line| line.split_once("version ")).map(|(_, rest)| rest.trim());
    match version {
        Some(version) if output.status.success() => {
            // Options are read in order, and `--version` ends the program. So this fails only if an option
            // before it is not supported.
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

/// Whether KVM's device can be opened. This does not prove that KVM works.
pub(super) fn open_kvm() -> Result<(), Unavailable> {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(Unavailable::new(
            format!("/dev/kvm: {error}"),
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "run isotare as root, or become a member of the group kvm"
                }
                _ => {
                    "enable virtualisation in the firmware and load the module kvm_intel or kvm_amd, or use \
                     accel=tcg, which does not need them"
                }
            },
        )),
    }
}
