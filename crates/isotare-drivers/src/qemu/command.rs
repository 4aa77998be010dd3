//! QEMU's command line for one machine. A pure function, so that tests can compare it as text.

use super::spec::{Accelerator, DATA_NAME, Machine, ROOT_NAME, Root, Spec};
use super::storage::Bus;
use crate::guest::tsc;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The name of the control port inside the guest.
const CONTROL_PORT: &str = "isotare.control";

/// Files, sockets and links of one machine.
#[derive(Clone, Debug)]
pub(super) struct Places<'a> {
    /// `vmlinuz`, or the ELF image from it.
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    /// The file of each of the spec's disks, in order.
    pub(super) disks: &'a [PathBuf],
    /// The folder that is the root over 9P, or virtiofsd's socket.
    pub(super) share: &'a Path,
    /// The host's end of a tap.
    pub(super) tap: &'a str,
    /// Address of the guest's network device; `None`: QEMU's own, which is the same for every machine.
    pub(super) mac: Option<&'a str>,
    /// The agent's socket, on which we listen.
    pub(super) control: &'a Path,
    /// The monitor's socket, on which we listen.
    pub(super) monitor: &'a Path,
    /// What the serial console writes.
    pub(super) console: &'a Path,
}

/// The value of `-machine`. The microvm keeps ACPI: Debian's kernel learns of virtio-mmio devices neither
/// from its command line (`CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES`) nor of more than one CPU from an MP table
/// (`CONFIG_X86_MPPARSE`).
fn machine(spec: &Spec, shared: bool) -> String {
    let mut text = match spec.machine {
        Machine::Microvm => "microvm,acpi=on,rtc=on,usb=off,graphics=off,auto-kernel-cmdline=off",
        Machine::Q35 if spec.storage.bus == Bus::Ide => "q35,usb=off,graphics=off,vmport=off,smbus=off",
        Machine::Q35 => "q35,usb=off,graphics=off,vmport=off,smbus=off,sata=off",
        Machine::Pc => "pc,usb=off,graphics=off,vmport=off",
    }
    .to_owned();
    if spec.memory.backend(shared).is_some() {
        text.push_str(",memory-backend=ram");
    }
    text
}

/// The parameters of the guest's kernel. `address` is the guest's and the host's on their link.
///
/// `panic=-1` with `-no-reboot` ends QEMU when the kernel panics. Mitigations keep the kernel's defaults:
/// switching them off would change what is measured. An emulated time-stamp counter is the host's: the kernel
/// is told its rate, since the microvm has no clock to calibrate it against and hangs when its one attempt is
/// disturbed.
pub(super) fn kernel_parameters(spec: &Spec, tsc_khz: Option<u64>, address: Option<&str>) -> String {
    let mut text = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on cryptomgr.notests".to_owned();
    if matches!(spec.accelerator, Accelerator::Tcg { .. }) {
        text.push_str(&format!(" {}", tsc::parameters(tsc_khz)));
    }
    text.push_str(&format!(" isotare.port={CONTROL_PORT}"));
    if spec.root != Root::Initramfs {
        text.push_str(&format!(" isotare.root={}:{ROOT_NAME}", spec.root.word()));
    }
    if spec.data_disk {
        text.push_str(&format!(" isotare.data={DATA_NAME}"));
    }
    if let Some(address) = address {
        text.push_str(&format!(" isotare.net={address}"));
    }
    text
}

/// The arguments of `qemu-system-x86_64`.
pub(super) fn arguments(spec: &Spec, parameters: &str, places: &Places<'_>) -> Vec<OsString> {
    let mut list: Vec<OsString> = ["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from).into();
    let mut option = |name: &str, value: OsString| list.extend([name.into(), value]);
    // Another process reads and writes the guest's memory.
    let shared = spec.root == Root::Virtiofs;
    let accelerator = match spec.accelerator {
        // The cache of translated code, 1 GiB by default, has to fit the headroom that the cgroup leaves to
        // QEMU.
        Accelerator::Tcg { multi: true } => "tcg,thread=multi,tb-size=256",
        Accelerator::Tcg { multi: false } => "tcg,thread=single,tb-size=256",
        Accelerator::Kvm => "kvm",
    };
    option("-name", "isotare,debug-threads=on".into());
    option("-display", "none".into());
    option("-machine", machine(spec, shared).into());
    option("-accel", accelerator.into());
    option("-cpu", spec.cpu.clone().into());
    option("-smp", spec.vcpus.to_string().into());
    option("-m", format!("{}M", spec.memory.bytes >> 20).into());
    if let Some(object) = spec.memory.backend(shared) {
        option("-object", object.into());
    }
    if spec.machine == Machine::Microvm {
        option("-bios", "qboot.rom".into());
    }
    option("-kernel", places.kernel.into());
    option("-initrd", places.initramfs.into());
    option("-append", parameters.into());
    option("-chardev", with_path("socket,id=control,server=off,path=", places.control));
    option("-device", spec.machine.virtio("virtio-serial", ",max_ports=2").into());
    option("-device", format!("virtserialport,chardev=control,name={CONTROL_PORT}").into());
    option("-chardev", with_path("socket,id=monitor,server=off,path=", places.monitor));
    option("-mon", "chardev=monitor,mode=control".into());
    option("-chardev", with_path("file,id=console,path=", places.console));
    option("-serial", "chardev:console".into());
    let disks = spec.disks();
    for (name, file) in disks.iter().zip(places.disks) {
        option("-drive", with_path(&spec.storage.drive(name), file));
    }
    for device in spec.storage.bus.devices(spec.machine, &disks) {
        option("-device", device.into());
    }
    match spec.root {
        Root::Initramfs | Root::Disk => {}
        Root::NineP => {
            // As root, whose files keep their owners; layers on several disks need distinct numbers.
            let export = "local,id=root,security_model=passthrough,multidevs=remap,path=";
            option("-fsdev", with_path(export, places.share));
            let rest = format!(",fsdev=root,mount_tag={ROOT_NAME}");
            option("-device", spec.machine.virtio("virtio-9p", &rest).into());
        }
        Root::Virtiofs => {
            option("-chardev", with_path("socket,id=root,server=off,path=", places.share));
            let rest = format!(",chardev=root,tag={ROOT_NAME}");
            option("-device", spec.machine.virtio("vhost-user-fs", &rest).into());
        }
    }
    if let Some(network) = spec.network {
        option("-netdev", network.netdev(places.tap).into());
        let mac = places.mac.map(|mac| format!(",mac={mac}")).unwrap_or_default();
        option("-device", (network.device(spec.machine) + &mac).into());
    }
    list
}

/// Appends a path to an option; QEMU reads a comma in a value only when it is doubled.
fn with_path(option: &str, path: &Path) -> OsString {
    let mut bytes = option.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
