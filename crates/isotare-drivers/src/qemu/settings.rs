//! The settings that users can choose.

use isotare_core::{IMAGE_SETTING, Kind, SettingDef};

const fn setting(
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
) -> SettingDef {
    SettingDef { key, kind, default, help }
}

pub(super) const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    setting(
        "accel",
        Kind::Choice(&["tcg", "kvm"]),
        Some("tcg"),
        "what executes the guest: tcg (software emulation) or kvm (the processor)",
    ),
    setting(
        "thread",
        Kind::Choice(&["multi", "single"]),
        None,
        "threads of accel=tcg: one for each virtual CPU (multi, the default) or one for all (single)",
    ),
    setting("machine", Kind::Choice(&["microvm", "q35", "pc"]), Some("microvm"), "machine model"),
    setting(
        "vcpus",
        Kind::Integer { min: 1, max: 255 },
        None,
        "number of virtual CPUs; default: the number of CPUs in the budget",
    ),
    setting(
        "cpu",
        Kind::Text,
        None,
        "CPU model, as for QEMU's option -cpu; default: max (tcg) or host (kvm)",
    ),
    setting("memory", Kind::Size, None, "the guest's memory; default: the memory of the budget"),
    setting(
        "overcommit",
        Kind::Flag,
        Some("false"),
        "whether the guest may have more memory than the host has available",
    ),
    setting("hugepages", Kind::Flag, Some("false"), "whether the guest's memory uses huge pages of the host"),
    setting(
        "kernel",
        Kind::Text,
        None,
        "the guest's kernel; default: the newest one in /boot that has all modules, preferably a cloud \
         kernel",
    ),
    setting(
        "root",
        Kind::Choice(&["initramfs", "disk", "9p", "virtiofs"]),
        None,
        "place of the root file system: memory, an ext4 disk, or a folder of the host; default: initramfs, \
         but disk for an image with a file tree",
    ),
    setting(
        "disk",
        Kind::Choice(&["none", "raw", "qcow2", "qcow2-overlay"]),
        Some("raw"),
        "place of the data folder: the root file system (none), or an ext4 disk in a file of this format, \
         which is copied for each trial or is an overlay",
    ),
    setting("disk-size", Kind::Size, Some("1G"), "the data disk's size as the guest sees it"),
    setting(
        "bus",
        Kind::Choice(&["virtio-blk", "virtio-scsi", "nvme", "ide"]),
        Some("virtio-blk"),
        "the bus of the disks",
    ),
    setting(
        "cache",
        Kind::Choice(&["none", "writeback", "writethrough", "directsync", "unsafe"]),
        Some("none"),
        "the disks' cache on the host: O_DIRECT (none, and directsync, which flushes each write), or the \
         page cache",
    ),
    setting(
        "aio",
        Kind::Choice(&["threads", "io_uring", "native"]),
        Some("threads"),
        "how QEMU reads and writes the disks' files",
    ),
    setting(
        "network",
        Kind::Choice(&["none", "user", "tap"]),
        Some("none"),
        "network link in addition to the loopback link: none, QEMU's user-mode network, or a tap on a \
         separate bridge (needs root)",
    ),
    setting(
        "nic",
        Kind::Choice(&["virtio-net", "e1000"]),
        Some("virtio-net"),
        "network device: para-virtualised (virtio-net) or fully emulated (e1000)",
    ),
    setting("vhost", Kind::Flag, Some("false"), "whether the host's kernel moves the packets of network=tap"),
    setting(
        "sandbox",
        Kind::Choice(&["on", "off"]),
        Some("on"),
        "whether QEMU filters its own system calls and, if started by root, changes to a separate user (not \
         with root=9p)",
    ),
];
