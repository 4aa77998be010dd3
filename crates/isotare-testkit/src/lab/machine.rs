//! QEMU's command line for a lab, made by a pure function.

use super::{Boot, Image, Lab};
use std::ffi::OsString;
use std::path::Path;

/// Files of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// The disk with the programs.
    pub payload: &'a Path,
    /// The file for the output of the console.
    pub console: &'a Path,
    /// The file for the results of the steps.
    pub results: &'a Path,
}

/// The kernel's parameters: systemd runs one program, and then the machine is switched off. With `-no-reboot`
/// and `panic=-1`, a crash of the kernel ends the machine.
const LINUX: &str = "root=/dev/vda rw quiet panic=-1 systemd.run=/mnt/run \
                     systemd.run_success_action=poweroff-force systemd.run_failure_action=poweroff-force";

/// The arguments of `qemu-system-x86_64`. The root file system is a snapshot: what is written to it is
/// discarded.
pub(super) fn arguments(lab: &Lab, image: &Image, places: &Places<'_>) -> Vec<OsString> {
    let mut list: Vec<OsString> =
        ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"].map(OsString::from).into();
    let mut option = |name: &str, value: OsString| list.extend([name.into(), value]);
    option("-accel", "tcg,thread=multi,tb-size=512".into());
    option("-machine", lab.machine.into());
    option("-cpu", lab.cpu.into());
    option("-smp", lab.cpus.to_string().into());
    option("-m", lab.memory.to_string().into());
    match lab.boot {
        Boot::Linux => {
            option("-kernel", image.boot("vmlinuz").into());
            option("-initrd", image.boot("initrd").into());
            option("-append", format!("console=ttyS0 {LINUX}").into());
        }
        // Xen is a multiboot kernel. Its modules and their parameters are in the value of `-initrd`,
        // separated by commas.
        Boot::Xen => {
            option("-kernel", image.boot("xen").into());
            option("-append", "com1=115200,8n1 console=com1 noreboot dom0_mem=1024M".into());
            let mut modules = image.boot("vmlinuz").into_os_string();
            modules.push(format!(" console=hvc0 {LINUX},"));
            modules.push(image.boot("initrd"));
            option("-initrd", modules);
        }
    }
    option("-drive", drive(&image.disk(), "snapshot=on,cache=unsafe"));
    option("-drive", drive(places.payload, "read-only=on"));
    option("-serial", with_path("file:", places.console));
    option("-serial", with_path("file:", places.results));
    list
}

fn drive(path: &Path, rest: &str) -> OsString {
    with_path(&format!("if=virtio,format=raw,{rest},file="), path)
}

fn with_path(option: &str, path: &Path) -> OsString {
    let mut value = OsString::from(option);
    value.push(path);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::LABS;

    fn line(name: &str) -> String {
        let lab = LABS.iter().find(|lab| lab.name == name).expect("known");
        let image = Image::at(Path::new("/i"));
        let path = Path::new;
        let places = Places { payload: path("/p"), console: path("/c"), results: path("/r") };
        let words = arguments(lab, &image, &places);
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn linux_is_booted_directly_and_the_image_is_not_changed() {
        let line = line("kvm");
        for part in [
            "-accel tcg,",
            "-cpu max,+svm,+npt",
            "-kernel /i/vmlinuz -initrd /i/initrd -append console=ttyS0 root=/dev/vda rw",
            "-drive if=virtio,format=raw,snapshot=on,cache=unsafe,file=/i/disk",
            "-drive if=virtio,format=raw,read-only=on,file=/p -serial file:/c -serial file:/r",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn xen_gets_linux_and_its_initramfs_as_modules() {
        let line = line("xen");
        assert!(line.contains("-kernel /i/xen -append com1="), "{line}");
        assert!(line.contains("-initrd /i/vmlinuz console=hvc0 root=/dev/vda rw"), "{line}");
        assert!(line.contains("failure_action=poweroff-force,/i/initrd -drive"), "{line}");
    }
}
