//! Another root directory: an overlay with mounts and devices, instead of the host's tree.

use super::order::Order;
use super::rung::Rung;
use crate::container::broker::error::{BrokerError, Step};
use crate::root::{bind_socket, options};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use rustix::process::{chdir, pivot_root};
use std::fs::{self, File};
use std::path::Path;

/// Separates the mounts from the host's: new mounts here do not appear on the host, and mounts that the host
/// removes are also removed here (mount_namespaces(7), "Shared subtrees").
pub(super) fn detach() -> Result<(), BrokerError> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .step("keep mounts private")
}

/// Mounts a `/proc` that shows the pid namespace of this process.
pub(super) fn mount_proc(on: &Path) -> Result<(), BrokerError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", on, "proc", flags, None).step("mount /proc")
}

/// Mounts the overlay, adds mounts and devices, and makes it the root.
pub(super) fn enter(order: &Order) -> Result<(), BrokerError> {
    let [root, upper, work] = ["root", "upper", "overlay"].map(|name| order.work.join(name));
    for folder in [&root, &upper, &work] {
        fs::create_dir(folder).step("make a layer")?;
    }
    let options =
        options(&order.lowers, Some((&upper, &work)), order.has(Rung::User)).step("name the layers")?;
    mount("overlay", &root, "overlay", MountFlags::empty(), options.as_c_str()).step("mount the overlay")?;
    bind_socket(&order.control, &root).step("show the control socket")?;
    mount_proc(&root.join("proc"))?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sysfs", root.join("sys"), "sysfs", quiet | MountFlags::RDONLY, None).step("mount /sys")?;
    devices(&root.join("dev"))?;
    // Both arguments the same: the old root ends on top of the new one, and goes (pivot_root(2), "NOTES").
    chdir(&root).step("enter the root")?;
    pivot_root(".", ".").step("pivot to the root")?;
    unmount(".", UnmountFlags::DETACH).step("leave the host's root")?;
    chdir("/").step("enter the root")
}

/// The host's nodes, bound: a user namespace may not make any.
fn devices(dev: &Path) -> Result<(), BrokerError> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("tmpfs", dev, "tmpfs", flags, Some(c"mode=755,size=64m")).step("mount /dev")?;
    for name in ["null", "zero", "full", "random", "urandom"] {
        let node = dev.join(name);
        File::create(&node).step("make a place for a device")?;
        mount_bind(Path::new("/dev").join(name), &node).step("show a device")?;
    }
    fs::create_dir(dev.join("shm")).step("make /dev/shm")
}
