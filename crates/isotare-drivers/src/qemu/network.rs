//! The network's settings as types, and their options on the command line.

use super::spec::Machine;
use crate::installed::{program, root_only};
use isotare_core::{Settings, Unavailable};
use std::fs::File;
use std::path::PathBuf;

/// What QEMU's user-mode network gives its one guest, and where the host is for it (the manual's `-netdev
/// user`).
pub(super) const USER_ADDRESS: &str = "10.0.2.15/24,10.0.2.2";

/// What is at the host's end of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    /// A TCP/IP stack in QEMU's process.
    User,
    /// A tap on a bridge.
    Tap {
        /// Whether the host's kernel moves the packets, rather than QEMU.
        vhost: bool,
    },
    /// A tap on the trial's segment.
    Segment,
}

/// The guest's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nic {
    VirtioNet,
    E1000,
}

/// A link between guest and host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) backend: Backend,
    pub(super) nic: Nic,
}

impl Nic {
    /// Its name in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Nic::VirtioNet => "virtio-net",
            Nic::E1000 => "e1000",
        }
    }

    /// The guest's module for it.
    pub(super) fn module(self) -> &'static str {
        match self {
            Nic::VirtioNet => "virtio_net",
            Nic::E1000 => "e1000",
        }
    }
}

impl Network {
    /// Reads checked settings.
    pub(super) fn read(settings: &Settings, machine: Machine) -> Result<Option<Self>, Unavailable> {
        let nic = match settings.text("nic") {
            Some("e1000") => Nic::E1000,
            _ => Nic::VirtioNet,
        };
        let vhost = settings.flag("vhost");
        let backend = match settings.text("network") {
            Some("user") => Some(Backend::User),
            Some("tap") => Some(Backend::Tap { vhost }),
            _ => None,
        };
        if vhost && (backend != Some(Backend::Tap { vhost }) || nic != Nic::VirtioNet) {
            return Err(Unavailable::new(
                "vhost=true works only with a tap and a virtio device",
                "add network=tap and nic=virtio-net",
            ));
        }
        if backend.is_some() && nic == Nic::E1000 && machine == Machine::Microvm {
            return Err(Unavailable::new(
                "a microvm cannot have an e1000, because it has no PCI bus",
                "choose nic=virtio-net, or machine=q35 or machine=pc",
            ));
        }
        Ok(backend.map(|backend| Self { backend, nic }))
    }

    /// What machines have that are attached to a segment and have no other network.
    pub(super) const SEGMENT: Self = Self { backend: Backend::Segment, nic: Nic::VirtioNet };

    /// The words for the facts: what the link is.
    pub(super) fn word(self) -> &'static str {
        match self.backend {
            Backend::User => "user",
            Backend::Tap { .. } => "tap on a bridge",
            Backend::Segment => "tap on the trial's segment",
        }
    }

    /// The program `ip`, where the link is made of interfaces, if this user and this host can have it.
    pub(super) fn usable(self) -> Result<Option<PathBuf>, Unavailable> {
        let Backend::Tap { vhost } = self.backend else { return Ok(None) };
        root_only("network=tap")?;
        let open = |path: &str, remedy: &str| {
            let file = File::options().read(true).write(true).open(path);
            file.map(drop).map_err(|error| Unavailable::new(format!("{path}: {error}"), remedy))
        };
        open("/dev/net/tun", "load the module tun, or choose network=user")?;
        if vhost {
            open("/dev/vhost-net", "load the module vhost_net, or choose vhost=false")?;
        }
        program("ip", "Debian: iproute2").map(Some)
    }

    /// The value of `-netdev`.
    pub(super) fn netdev(self, tap: &str) -> String {
        match self.backend {
            Backend::User => "user,id=net,ipv6=off".to_owned(),
            Backend::Tap { vhost } => {
                let vhost = if vhost { "on" } else { "off" };
                format!("tap,id=net,ifname={tap},script=no,downscript=no,vhost={vhost}")
            }
            Backend::Segment => format!("tap,id=net,ifname={tap},script=no,downscript=no,vhost=off"),
        }
    }

    /// The value of `-device`. It is not used for booting. Without a ROM, the package `ipxe-qemu` of Debian
    /// is not needed.
    pub(super) fn device(self, machine: Machine) -> String {
        match (self.nic, machine) {
            (Nic::VirtioNet, Machine::Microvm) => machine.virtio("virtio-net", ",netdev=net"),
            (Nic::VirtioNet, _) => machine.virtio("virtio-net", ",netdev=net,romfile="),
            (Nic::E1000, _) => "e1000,netdev=net,romfile=".to_owned(),
        }
    }
}
