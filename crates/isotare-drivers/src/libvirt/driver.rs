//! The driver: settings, and the way from an image to an environment.

use super::environment::LibvirtEnvironment;
use super::virsh::Virsh;
use crate::guest::{KERNEL, MEMORY, VCPUS};
use crate::trial_life;
use isotare_core::{
    Capabilities, Deadline, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation, Kind,
    PrepareContext, Resource, RuntimeInfo, SettingDef, Settings, Unavailable, is_plain_name,
};

/// Machines of libvirt's domains.
#[derive(Debug)]
pub struct Libvirt;

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "domain",
        kind: Kind::Text,
        default: None,
        help: "a defined domain, whose machine is used; default: a plain machine of the given type",
    },
    SettingDef {
        key: "uri",
        kind: Kind::Text,
        default: None,
        help: "a libvirt daemon of this machine, as for virsh -c; default: LIBVIRT_DEFAULT_URI, otherwise \
               qemu:///system",
    },
    SettingDef {
        key: "type",
        kind: Kind::Choice(&["kvm", "qemu"]),
        default: Some("kvm"),
        help: "if domain is not given: the processor (kvm) or software emulation (qemu)",
    },
    SettingDef {
        key: "machine",
        kind: Kind::Choice(&["q35", "pc"]),
        default: Some("q35"),
        help: "if domain is not given: the machine model",
    },
    VCPUS,
    MEMORY,
    KERNEL,
    SettingDef {
        key: "disk",
        kind: Kind::Choice(&["none", "raw"]),
        default: Some("raw"),
        help: "place of the data folder: the guest's memory (none), or an ext4 disk in a file",
    },
    SettingDef {
        key: "cache",
        kind: Kind::Choice(&["none", "writeback", "unsafe"]),
        default: Some("none"),
        help: "the disk's cache on the host: none (O_DIRECT), the page cache, or the page cache without \
               flushes",
    },
];

impl Driver for Libvirt {
    fn name(&self) -> &'static str {
        "libvirt"
    }

    fn summary(&self) -> &'static str {
        "the machine of a libvirt domain, with a distribution's kernel"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn variants(&self) -> &'static [&'static str] {
        &["type=kvm", "type=qemu"]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: true,
            host_files: false,
            rootless: true,
            pause: true,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "its own",
            system_calls: "none from the guest; those of QEMU for its devices",
            root: "nobody on the host; QEMU runs as the user who runs isotare, confined by libvirt",
            sources: &["https://libvirt.org/drvqemu.html#security-architecture"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let remedy = "see docs/drivers/libvirt.md, and look at the daemon's log";
        let environment = LibvirtEnvironment::prepare(settings, &Image::default(), cx)
            .map_err(|error| error.unavailable(remedy))?;
        let limit = environment.boot_limit();
        trial_life::live(&environment, limit, cx).map_err(|reason| Unavailable::new(reason, remedy))?;
        Ok(RuntimeInfo { version: environment.version.clone(), details: environment.details() })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(LibvirtEnvironment::prepare(settings, image, cx)?))
    }

    fn release(&self, resource: &Resource, deadline: &Deadline) -> Result<bool, DriverError> {
        match resource {
            Resource::Managed { what, id, .. } if what == "domain" => match id.rsplit_once('#') {
                Some((uri, name)) if is_plain_name(name) => Virsh::find(uri)?.destroy(name, deadline),
                _ => Err(DriverError::failed("remove", id, "no record of the driver libvirt")),
            },
            _ => Ok(false),
        }
    }
}
