//! QEMU's process and threads as a part of an instance.

use isotare_core::{Member, Role};

/// QEMU's own names of its threads, which it gives them with `debug-threads=on`: virtual CPUs (`CPU 0/KVM`,
/// `ALL CPUs/TCG`), iothreads (but for the monitor's own), the pool behind `aio=threads`, io_uring's workers,
/// and, since Linux 6.4, vhost's (before, those are threads of the kernel).
const THREADS: &[(&str, Role)] = &[
    ("CPU ", Role::Vcpu),
    ("ALL CPUs", Role::Vcpu),
    ("IO mon_iothread", Role::Vmm),
    ("IO ", Role::Io),
    ("worker", Role::Io),
    ("iou-", Role::Io),
    ("vhost-", Role::Vhost),
];

/// Its process.
pub(crate) fn qemu_process(pid: u32) -> Member {
    Member { threads: THREADS, ..Member::new(Role::Vmm, pid) }
}
