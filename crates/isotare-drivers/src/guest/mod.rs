//! The code that all drivers of virtual machines share: the guest's kernel ([`kernel`], [`vmlinuz`]), an
//! initramfs with the agent and the modules it loads ([`initramfs`], [`modules`]), disks ([`disk`]), all of
//! that made ready ([`boot`]), a machine whose monitor is a process ([`machine`]; QEMU's threads:
//! [`mod@qemu_process`]), and what it has written ([`console`]).

mod boot;
mod console;
mod disk;
pub(crate) mod initramfs;
mod kernel;
mod machine;
mod modules;
mod qemu_process;
mod shape;
pub(crate) mod tsc;
mod vmlinuz;

pub(crate) use boot::Boot;
pub(crate) use console::Logs;
pub(crate) use disk::{DATA_NAME, DATA_SIZE, DiskFormat, DiskPlan, Template, size_for};
pub(crate) use kernel::Kernel;
pub(crate) use machine::{Machine, Parts, first_byte};
pub(crate) use qemu_process::qemu_process;
pub(crate) use shape::{KERNEL, MEMORY, Shape, VCPUS, monitor_limits};
