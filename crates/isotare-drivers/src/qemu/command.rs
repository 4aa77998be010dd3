//! QEMU's command line for one machine. A pure function, so that tests can compare it as text.

use super::spec::{Accelerator, Machine, Spec};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The name of the control port inside the guest.
const CONTROL_PORT: &str = "isotare.control";

/// Files and sockets of one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// `vmlinuz`, or the ELF image from it.
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    /// The data disk, if the spec has one.
    pub(super) disk: &'a Path,
    /// The agent's socket, on which we listen.
    pub(super) control: &'a Path,
    /// The monitor's socket, on which we listen.
    pub(super) monitor: &'a Path,
    /// What the serial console writes.
    pub(super) console: &'a Path,
}

impl Machine {
    /// The modules for its bus, control port and disk.
    pub(super) fn modules(self) -> [&'static str; 4] {
        match self {
            Machine::Microvm => ["virtio_mmio", "virtio_console", "virtio_blk", "ext4"],
            Machine::Q35 | Machine::Pc => ["virtio_pci", "virtio_console", "virtio_blk", "ext4"],
        }
    }

    /// The value of `-machine`. The microvm keeps ACPI: Debian's kernel learns of virtio-mmio devices neither from its
    /// command line (`CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES`) nor of more than one CPU from an MP table
    /// (`CONFIG_X86_MPPARSE`).
    fn option(self) -> &'static str {
        match self {
            Machine::Microvm => "microvm,acpi=on,rtc=on,usb=off,graphics=off,auto-kernel-cmdline=off",
            Machine::Q35 => "q35,usb=off,graphics=off,vmport=off,smbus=off,sata=off",
            Machine::Pc => "pc,usb=off,graphics=off,vmport=off",
        }
    }

    fn device(self, kind: &str, rest: &str) -> String {
        match self {
            Machine::Microvm => format!("{kind}-device{rest}"),
            Machine::Q35 | Machine::Pc => format!("{kind}-pci{rest}"),
        }
    }
}

/// The parameters of the guest's kernel.
///
/// `panic=-1` with `-no-reboot` ends QEMU when the kernel panics. Mitigations keep the kernel's defaults: switching
/// them off would change what is measured. An emulated time-stamp counter is the host's: the kernel is told its rate,
/// since the microvm has no clock to calibrate it against and hangs when its one attempt is disturbed.
pub(super) fn kernel_parameters(spec: &Spec, tsc_khz: Option<u64>) -> String {
    let mut text = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on cryptomgr.notests".to_owned();
    if spec.accelerator == Accelerator::Tcg {
        text.push_str(" tsc=reliable");
        if let Some(khz) = tsc_khz {
            text.push_str(&format!(" tsc_early_khz={khz}"));
        }
    }
    text.push_str(&format!(" isotare.port={CONTROL_PORT}"));
    if spec.disk.is_some() {
        text.push_str(" isotare.data=/dev/vda");
    }
    text
}

/// The arguments of `qemu-system-x86_64`.
pub(super) fn arguments(spec: &Spec, parameters: &str, places: &Places<'_>) -> Vec<OsString> {
    let mut list: Vec<OsString> = ["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from).into();
    let mut option = |name: &str, value: OsString| list.extend([name.into(), value]);
    let machine = spec.machine;
    let accelerator = match spec.accelerator {
        // The cache of translated code, 1 GiB by default, has to fit the headroom that the cgroup leaves to QEMU.
        Accelerator::Tcg => "tcg,thread=multi,tb-size=256",
        Accelerator::Kvm => "kvm",
    };
    option("-display", "none".into());
    option("-machine", machine.option().into());
    option("-accel", accelerator.into());
    option("-cpu", spec.cpu.clone().into());
    option("-smp", spec.vcpus.to_string().into());
    option("-m", format!("{}M", spec.memory >> 20).into());
    if machine == Machine::Microvm {
        option("-bios", "qboot.rom".into());
    }
    option("-kernel", places.kernel.into());
    option("-initrd", places.initramfs.into());
    option("-append", parameters.into());
    option("-chardev", with_path("socket,id=control,server=off,path=", places.control));
    option("-device", machine.device("virtio-serial", ",max_ports=2").into());
    option("-device", format!("virtserialport,chardev=control,name={CONTROL_PORT}").into());
    option("-chardev", with_path("socket,id=monitor,server=off,path=", places.monitor));
    option("-mon", "chardev=monitor,mode=control".into());
    option("-chardev", with_path("file,id=console,path=", places.console));
    option("-serial", "chardev:console".into());
    if let Some(format) = spec.disk {
        let drive = format!("if=none,id=data,format={},cache={},file=", format.word(), spec.cache);
        option("-drive", with_path(&drive, places.disk));
        option("-device", machine.device("virtio-blk", ",drive=data").into());
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
mod tests {
    use super::*;
    use isotare_core::{Budget, Driver, Settings};

    fn line(pairs: &[(&str, &str)]) -> String {
        let known = super::super::Qemu.settings();
        let settings = Settings::check("driver qemu", known, pairs.iter().copied()).expect("valid");
        let budget = Budget { cpus: "0-1".parse().expect("a list"), memory: 512 << 20 };
        let spec = Spec::read(&settings, &budget).expect("enough");
        let path = Path::new;
        let places = Places {
            kernel: path("/k"),
            initramfs: path("/i"),
            disk: path("/d,1"),
            control: path("/c"),
            monitor: path("/m"),
            console: path("/s"),
        };
        let words = arguments(&spec, &kernel_parameters(&spec, Some(2_100_000)), &places);
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_microvm_is_emulated_with_the_budget_unless_told_otherwise() {
        assert_eq!(
            line(&[]),
            "-nodefaults -no-user-config -no-reboot -display none \
             -machine microvm,acpi=on,rtc=on,usb=off,graphics=off,auto-kernel-cmdline=off \
             -accel tcg,thread=multi,tb-size=256 -cpu max -smp 2 -m 512M -bios qboot.rom -kernel /k -initrd /i \
             -append console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on cryptomgr.notests tsc=reliable \
             tsc_early_khz=2100000 isotare.port=isotare.control isotare.data=/dev/vda \
             -chardev socket,id=control,server=off,path=/c -device virtio-serial-device,max_ports=2 \
             -device virtserialport,chardev=control,name=isotare.control \
             -chardev socket,id=monitor,server=off,path=/m -mon chardev=monitor,mode=control \
             -chardev file,id=console,path=/s -serial chardev:console \
             -drive if=none,id=data,format=raw,cache=none,file=/d,,1 -device virtio-blk-device,drive=data"
        );
    }

    #[test]
    fn settings_reach_the_command_line() {
        let given =
            [("accel", "kvm"), ("machine", "q35"), ("vcpus", "3"), ("memory", "1G"), ("disk", "none")];
        let line = line(&given);
        for part in ["-accel kvm -cpu host -smp 3 -m 1024M -kernel", "-machine q35,", "virtio-serial-pci"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        for part in ["tsc", "-drive", "isotare.data", "-bios"] {
            assert!(!line.contains(part), "{part} in {line}");
        }
    }
}
