//! What users can choose.

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
        "threads of accel=tcg: one for each virtual CPU (multi, unless told otherwise) or one for all",
    ),
    setting("machine", Kind::Choice(&["microvm", "q35", "pc"]), Some("microvm"), "machine model"),
    setting(
        "vcpus",
        Kind::Integer { min: 1, max: 255 },
        None,
        "virtual CPUs; without it as many as the budget has CPUs",
    ),
    setting("cpu", Kind::Text, None, "CPU model as for QEMU's -cpu; without it max (tcg) or host (kvm)"),
    setting("memory", Kind::Size, None, "the guest's memory; without it the budget's"),
    setting(
        "overcommit",
        Kind::Flag,
        Some("false"),
        "whether the guest may have more memory than the host has available",
    ),
    setting(
        "hugepages",
        Kind::Flag,
        Some("false"),
        "whether the guest's memory is in huge pages of the host",
    ),
    setting(
        "kernel",
        Kind::Text,
        None,
        "the guest's kernel; without it the newest in /boot with all modules, a cloud kernel first",
    ),
    setting(
        "root",
        Kind::Choice(&["initramfs", "disk", "9p", "virtiofs"]),
        None,
        "where the root is: memory, an ext4 disk, or a folder of the host; without it initramfs, for a tree disk",
    ),
    setting(
        "disk",
        Kind::Choice(&["none", "raw", "qcow2", "qcow2-overlay"]),
        Some("raw"),
        "where the data folder is: the root (none), or an ext4 disk in such a file, copied for each trial or layered",
    ),
    setting("disk-size", Kind::Size, Some("1G"), "the data disk's size as the guest sees it"),
    setting(
        "bus",
        Kind::Choice(&["virtio-blk", "virtio-scsi", "nvme", "ide"]),
        Some("virtio-blk"),
        "what the disks are attached to",
    ),
    setting(
        "cache",
        Kind::Choice(&["none", "writeback", "writethrough", "directsync", "unsafe"]),
        Some("none"),
        "the disks' cache on the host: O_DIRECT (none; directsync flushes each write), or the page cache",
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
        "link beside loopback: none, QEMU's own user-mode network, or a tap on a bridge of its own (needs root)",
    ),
    setting(
        "nic",
        Kind::Choice(&["virtio-net", "e1000"]),
        Some("virtio-net"),
        "network device: para-virtualised or a full one",
    ),
    setting("vhost", Kind::Flag, Some("false"), "whether the host's kernel moves the packets of network=tap"),
    setting(
        "sandbox",
        Kind::Choice(&["on", "off"]),
        Some("on"),
        "whether QEMU filters its own system calls and, started by root, becomes a user of its own (not with root=9p)",
    ),
];
