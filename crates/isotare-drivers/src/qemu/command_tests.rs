//! Tests of QEMU's command line, as text.

use super::*;
use isotare_core::{Base, Budget, Driver, Settings, Unavailable};

fn spec(pairs: &[(&str, &str)]) -> Result<Spec, Unavailable> {
    let known = crate::qemu::Qemu.settings();
    let settings = Settings::check("driver qemu", known, pairs.iter().copied()).expect("valid");
    let budget = Budget { cpus: "0-1".parse().expect("a list"), memory: 512 << 20, processes: None };
    Spec::read(&settings, &budget, &Base::Empty)
}

fn line(pairs: &[(&str, &str)]) -> String {
    let spec = spec(pairs).expect("possible");
    let path = Path::new;
    let places = Places {
        kernel: path("/k"),
        initramfs: path("/i"),
        disks: &["/d,1".into(), "/d2".into()],
        share: path("/f"),
        tap: "ist1",
        mac: None,
        control: path("/c"),
        monitor: path("/m"),
        console: path("/s"),
    };
    let address = spec.network.map(|_| "10.0.2.15/24,10.0.2.2");
    let words = arguments(&spec, &kernel_parameters(&spec, Some(2_100_000), address), &places);
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_default_is_an_emulated_microvm_with_the_budget() {
    assert_eq!(
        line(&[]),
        "-nodefaults -no-user-config -no-reboot -name isotare,debug-threads=on -display none \
         -machine microvm,acpi=on,rtc=on,usb=off,graphics=off,auto-kernel-cmdline=off \
         -accel tcg,thread=multi,tb-size=256 -cpu max -smp 2 -m 512M -bios qboot.rom -kernel /k -initrd /i \
         -append console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on cryptomgr.notests tsc=reliable \
         tsc_early_khz=2100000 isotare.port=isotare.control isotare.data=isotare-data \
         -chardev socket,id=control,server=off,path=/c -device virtio-serial-device,max_ports=2 \
         -device virtserialport,chardev=control,name=isotare.control \
         -chardev socket,id=monitor,server=off,path=/m -mon chardev=monitor,mode=control \
         -chardev file,id=console,path=/s -serial chardev:console \
         -drive if=none,id=isotare-data,format=raw,cache=none,aio=threads,file=/d,,1 \
         -device virtio-blk-device,drive=isotare-data"
    );
}

/// Each case has settings, the parts that they add to the line, and the parts that must not be in it.
#[test]
fn settings_reach_the_command_line() {
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);
    let cases: &[Case] = &[
        (
            &[("accel", "kvm"), ("machine", "q35"), ("vcpus", "3"), ("memory", "1G"), ("disk", "none")],
            &[
                "-accel kvm -cpu host -smp 3 -m 1024M -kernel",
                "-machine q35,",
                "sata=off",
                "virtio-serial-pci",
            ],
            &["tsc", "-drive", "isotare.data", "-bios", "-object", "-netdev", "isotare.root"],
        ),
        (&[("thread", "single")], &["-accel tcg,thread=single,"], &[]),
        (
            &[
                ("bus", "virtio-scsi"),
                ("root", "disk"),
                ("disk", "qcow2"),
                ("cache", "directsync"),
                ("aio", "native"),
            ],
            &[
                "isotare.root=disk:isotare-root isotare.data=isotare-data",
                "id=isotare-root,format=qcow2,cache=directsync,aio=native,file=/d,,1 ",
                "id=isotare-data,format=qcow2,cache=directsync,aio=native,file=/d2 ",
                "-device virtio-scsi-device,id=scsi -device scsi-hd,bus=scsi.0,drive=isotare-root \
                 -device scsi-hd,bus=scsi.0,drive=isotare-data",
            ],
            &[],
        ),
        (
            &[("machine", "q35"), ("bus", "nvme"), ("disk", "qcow2-overlay"), ("aio", "io_uring")],
            &["format=qcow2,cache=none,aio=io_uring", "-device nvme,serial=isotare-data,drive=isotare-data"],
            &[],
        ),
        (
            &[("machine", "q35"), ("bus", "ide"), ("root", "disk")],
            &["ide-hd,bus=ide.0,drive=isotare-root", "ide-hd,bus=ide.1,drive=isotare-data"],
            &["sata=off"],
        ),
        (
            &[("root", "9p"), ("disk", "none")],
            &[
                "multidevs=remap,path=/f -device virtio-9p-device,fsdev=root,mount_tag=isotare-root",
                "root=9p:",
            ],
            &["-object", "-drive"],
        ),
        (
            &[("machine", "pc"), ("root", "virtiofs")],
            &[
                "vmport=off,memory-backend=ram -accel",
                "-m 512M -object memory-backend-memfd,id=ram,size=512M,share=on -kernel",
                "-chardev socket,id=root,server=off,path=/f -device vhost-user-fs-pci,chardev=root,tag=isotare-root",
            ],
            &[],
        ),
        (&[("hugepages", "true")], &["hugetlb=on,prealloc=on", "memory-backend=ram"], &[]),
        (
            &[("network", "user")],
            &[
                "isotare.net=10.0.2.15/24,10.0.2.2",
                "-netdev user,id=net,ipv6=off -device virtio-net-device,netdev=net",
            ],
            &[],
        ),
        (
            &[("network", "tap"), ("machine", "pc"), ("nic", "e1000")],
            &["ifname=ist1,script=no,downscript=no,vhost=off -device e1000,netdev=net,romfile="],
            &[],
        ),
        (
            &[("network", "tap"), ("machine", "q35"), ("vhost", "true")],
            &["vhost=on -device virtio-net-pci,netdev=net,romfile="],
            &[],
        ),
    ];
    for (given, present, absent) in cases {
        let line = line(given);
        for part in *present {
            assert!(line.contains(part), "{part} in {line}");
        }
        for part in *absent {
            assert!(!line.contains(part), "{part} in {line}");
        }
    }
}

#[test]
fn impossible_settings_are_refused_with_a_remedy() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("bus", "nvme")], "machine=q35"),
        (&[("bus", "ide")], "bus=virtio-blk"),
        (&[("network", "user"), ("nic", "e1000")], "nic=virtio-net"),
        (&[("network", "user"), ("vhost", "true")], "network=tap"),
        (&[("network", "tap"), ("vhost", "true"), ("nic", "e1000"), ("machine", "pc")], "nic=virtio-net"),
        (&[("aio", "native"), ("cache", "writeback")], "aio=threads"),
        (&[("accel", "kvm"), ("thread", "multi")], "accel=tcg"),
        (&[("memory", "64M")], "96 MiB"),
    ];
    for (given, remedy) in cases {
        let why = spec(given).expect_err("impossible");
        assert!(why.remedy.contains(remedy), "{given:?}: {why}");
    }
}

#[test]
fn modules_follow_from_the_devices() {
    let modules = |given: &[(&str, &str)]| spec(given).expect("possible").modules().join(" ");
    assert_eq!(modules(&[]), "virtio_mmio virtio_console virtio_blk ext4");
    let given = [("machine", "pc"), ("bus", "ide"), ("root", "9p"), ("network", "user"), ("nic", "e1000")];
    assert_eq!(modules(&given), "virtio_pci virtio_console ata_piix sd_mod ext4 9pnet_virtio 9p e1000");
    assert_eq!(modules(&[("disk", "none"), ("root", "virtiofs")]), "virtio_mmio virtio_console virtiofs");
}
