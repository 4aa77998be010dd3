//! Which environments are tested, and where. The conformance test runs over this list and the reference page
//! shows it, so that both always agree.

/// Where the conformance suite runs with an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    /// In continuous integration, on the host itself. There, an unavailable environment is a failure.
    Ci,
    /// In continuous integration, in the lab host of this name; also on the host, if it is available there.
    Lab(&'static str),
    /// Outside continuous integration; the text says what was done.
    ByHand(&'static str),
    /// Not with the real runtime. The text says what was done in its place.
    Never(&'static str),
}

impl Tested {
    /// Whether continuous integration tests it, on the host or in a lab.
    pub fn is_routine(self) -> bool {
        matches!(self, Tested::Ci | Tested::Lab(_))
    }

    /// The description for the reference page.
    pub fn describe(self) -> String {
        match self {
            Tested::Ci => "CI, on the host".to_owned(),
            Tested::Lab(lab) => format!("CI, in the lab `{lab}`"),
            Tested::ByHand(how) => format!("by hand: {how}"),
            Tested::Never(instead) => format!("never; {instead}"),
        }
    }
}

/// All environments of the list, by spec; at least one of each driver.
pub static COVERAGE: &[(&str, Tested)] = &[
    ("native", Tested::Ci),
    ("chroot", Tested::Ci),
    ("container", Tested::Ci),
    ("container:network=veth", Tested::Ci),
    ("container:network=host", Tested::Ci),
    ("container:root=bind", Tested::Ci),
    ("container:root=copy", Tested::Ci),
    ("container:cgroup=reused", Tested::Ci),
    ("container:user=new", Tested::Ci),
    ("container:user=new,network=host,root=bind,cgroup=reused", Tested::Ci),
    ("bubblewrap", Tested::Ci),
    ("bubblewrap:root=bind", Tested::Ci),
    ("bubblewrap:network=host", Tested::Ci),
    ("nspawn", Tested::Ci),
    ("nspawn:network=host", Tested::Ci),
    ("ladder", Tested::Ci),
    ("ladder:upto=none", Tested::Ci),
    ("ladder:upto=cgroup", Tested::Ci),
    ("ladder:upto=mount", Tested::Ci),
    ("ladder:upto=pid", Tested::Ci),
    ("ladder:upto=uts", Tested::Ci),
    ("ladder:upto=ipc", Tested::Ci),
    ("ladder:upto=net", Tested::Ci),
    ("ladder:upto=user", Tested::Ci),
    ("ladder:upto=cgroupns", Tested::Ci),
    ("ladder:upto=root", Tested::Ci),
    ("ladder:upto=capabilities", Tested::Ci),
    ("ladder:upto=no-new-privs", Tested::Ci),
    ("ladder:upto=seccomp", Tested::Ci),
    ("ladder:upto=veth", Tested::Ci),
    ("ladder:upto=apparmor", Tested::Lab("cgroup-v2")),
    ("ladder:only=seccomp", Tested::Ci),
    ("runc", Tested::Ci),
    ("runc:network=host", Tested::Ci),
    ("crun", Tested::Ci),
    ("youki", Tested::Ci),
    ("runsc:platform=systrap", Tested::Ci),
    ("runsc:platform=ptrace", Tested::Ci),
    (
        "runsc:platform=kvm",
        Tested::Never("it hangs on the only available machine with KVM; the probe reports this"),
    ),
    ("containerd", Tested::Ci),
    ("containerd:channel=stdio", Tested::Ci),
    (
        "kata",
        Tested::Never("unit tests of its command lines; the same code for containerd is tested with runc"),
    ),
    ("docker", Tested::Ci),
    ("docker:runtime=crun", Tested::Ci),
    ("docker:runtime=runsc", Tested::Ci),
    ("docker:storage=vfs", Tested::Ci),
    ("docker:storage=btrfs", Tested::Ci),
    ("docker:storage=fuse-overlayfs", Tested::Ci),
    ("docker:network=bridge", Tested::Ci),
    ("docker:network=host", Tested::Ci),
    ("podman", Tested::Ci),
    ("podman:runtime=runc", Tested::Ci),
    ("podman:runtime=runsc", Tested::Ci),
    ("podman:storage=vfs", Tested::Ci),
    ("podman:storage=btrfs", Tested::Ci),
    ("podman:storage=fuse-overlayfs", Tested::Ci),
    ("podman:network=bridge", Tested::Ci),
    ("podman:network=host", Tested::Ci),
    ("podman:user=nobody", Tested::Ci),
    ("chroot:image=host", Tested::Ci),
    ("container:image=host", Tested::Ci),
    ("docker:image=host", Tested::Ci),
    ("chroot:image=tar:/tree.tar", Tested::Ci),
    ("container:image=tar:/tree.tar", Tested::Ci),
    ("docker:image=tar:/tree.tar", Tested::Ci),
    ("ssh", Tested::Ci),
    ("lxc", Tested::Ci),
    ("lxc:storage=dir", Tested::Ci),
    ("lxc:storage=btrfs", Tested::Ci),
    ("lxc:network=veth", Tested::Ci),
    ("lxc:unprivileged=true,storage=dir", Tested::Ci),
    ("lxc:unprivileged=true,storage=btrfs", Tested::Ci),
    ("incus", Tested::Ci),
    ("incus:storage=btrfs", Tested::Ci),
    (
        "lxd",
        Tested::ByHand(
            "the suite passed with LXD 5.0.2 of Debian 12, before the change that puts instances into the \
             session's cgroup",
        ),
    ),
    ("qemu:accel=tcg,machine=microvm", Tested::Ci),
    ("qemu:accel=tcg,machine=q35", Tested::Ci),
    ("qemu:accel=tcg,machine=pc", Tested::Ci),
    ("qemu:machine=microvm,bus=virtio-scsi,disk=qcow2,root=disk,network=tap,thread=single", Tested::Ci),
    ("qemu:machine=q35,bus=nvme,disk=qcow2-overlay,root=disk,aio=native,network=user", Tested::Ci),
    ("qemu:machine=pc,bus=ide,cache=unsafe,network=user,nic=e1000", Tested::Ci),
    (
        "qemu:machine=pc,root=virtiofs,disk=none",
        Tested::ByHand("with virtiofsd from crates.io, because the distribution has no package of it"),
    ),
    ("qemu:accel=kvm", Tested::Lab("kvm")),
    (
        "firecracker",
        Tested::ByHand(
            "1.17.0-dev built from source, in a lab with nested KVM, before the change that finds the data \
             disk by its name; CI: against a server with the same API",
        ),
    ),
    (
        "cloud-hypervisor",
        Tested::ByHand(
            "main of 2026-08 built from source, in a lab with nested KVM, before the change that finds the \
             data disk by its name; CI: against a server with the same API",
        ),
    ),
    ("libvirt:type=qemu", Tested::ByHand("libvirtd 9.0 and QEMU with software emulation; also a session")),
    ("libvirt:type=kvm", Tested::Never("no host with a working KVM was available")),
    ("xen:type=pv", Tested::Lab("xen")),
    ("xen:type=pvh", Tested::Never("unit tests of its configuration")),
    ("xen:type=hvm", Tested::Never("unit tests of its configuration")),
];
