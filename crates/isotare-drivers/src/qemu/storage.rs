//! The disks' settings as types, and their options on the command line.

use super::spec::Machine;
use crate::guest::{DATA_SIZE, DiskFormat};
use isotare_core::{Settings, Unavailable};

/// What disks are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bus {
    VirtioBlk,
    VirtioScsi,
    Nvme,
    /// SATA on q35, parallel ATA on pc.
    Ide,
}

/// What all disks of a machine have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) bus: Bus,
    pub(super) format: DiskFormat,
    /// As QEMU spells it.
    pub(super) cache: String,
    /// As QEMU spells it.
    pub(super) aio: String,
    /// Of the data disk, bytes.
    pub(super) size: u64,
}

impl Bus {
    /// Its name in the settings.
    pub(super) fn word(self) -> &'static str {
        match self {
            Bus::VirtioBlk => "virtio-blk",
            Bus::VirtioScsi => "virtio-scsi",
            Bus::Nvme => "nvme",
            Bus::Ide => "ide",
        }
    }

    /// The guest's modules for it.
    pub(super) fn modules(self, machine: Machine) -> &'static [&'static str] {
        match (self, machine) {
            (Bus::VirtioBlk, _) => &["virtio_blk"],
            (Bus::VirtioScsi, _) => &["virtio_scsi", "sd_mod"],
            (Bus::Nvme, _) => &["nvme"],
            (Bus::Ide, Machine::Q35) => &["ahci", "sd_mod"],
            (Bus::Ide, _) => &["ata_piix", "sd_mod"],
        }
    }

    /// The devices by which a machine has these drives.
    pub(super) fn devices(self, machine: Machine, drives: &[&str]) -> Vec<String> {
        let controller = match self {
            Bus::VirtioScsi if !drives.is_empty() => Some(machine.virtio("virtio-scsi", ",id=scsi")),
            _ => None,
        };
        let disks = drives.iter().enumerate().map(|(number, drive)| match self {
            Bus::VirtioBlk => machine.virtio("virtio-blk", &format!(",drive={drive}")),
            Bus::VirtioScsi => format!("scsi-hd,bus=scsi.0,drive={drive}"),
            Bus::Nvme => format!("nvme,serial={drive},drive={drive}"),
            Bus::Ide => format!("ide-hd,bus=ide.{number},drive={drive}"),
        });
        controller.into_iter().chain(disks).collect()
    }
}

impl Storage {
    /// Reads checked settings.
    pub(super) fn read(settings: &Settings, machine: Machine) -> Result<Self, Unavailable> {
        let bus = match settings.text("bus") {
            Some("virtio-scsi") => Bus::VirtioScsi,
            Some("nvme") => Bus::Nvme,
            Some("ide") => Bus::Ide,
            _ => Bus::VirtioBlk,
        };
        if machine == Machine::Microvm && matches!(bus, Bus::Nvme | Bus::Ide) {
            return Err(Unavailable::new(
                format!("a microvm cannot have {} disks, because it has no such bus", bus.word()),
                "choose bus=virtio-blk or bus=virtio-scsi, or machine=q35 or machine=pc",
            ));
        }
        let cache = settings.text("cache").unwrap_or("none").to_owned();
        let aio = settings.text("aio").unwrap_or("threads").to_owned();
        if aio == "native" && !matches!(cache.as_str(), "none" | "directsync") {
            return Err(Unavailable::new(
                format!("aio=native needs O_DIRECT, but cache={cache} uses the page cache"),
                "choose cache=none or cache=directsync, or aio=threads or aio=io_uring",
            ));
        }
        Ok(Self {
            bus,
            format: match settings.text("disk") {
                Some("qcow2") => DiskFormat::Qcow2,
                Some("qcow2-overlay") => DiskFormat::Qcow2Overlay,
                _ => DiskFormat::Raw,
            },
            cache,
            aio,
            size: settings.integer("disk-size").unwrap_or(DATA_SIZE).next_multiple_of(1 << 20),
        })
    }

    /// The value of `-drive` up to the file's path.
    pub(super) fn drive(&self, id: &str) -> String {
        let (format, cache, aio) = (self.format.driver(), &self.cache, &self.aio);
        format!("if=none,id={id},format={format},cache={cache},aio={aio},file=")
    }
}
