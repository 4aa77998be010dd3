//! The driver: settings, and the way from an image to an environment.

use super::environment::XenEnvironment;
use super::xl::Xl;
use crate::guest::{KERNEL, MEMORY, VCPUS};
use crate::trial_life;
use isotare_core::{
    Capabilities, Deadline, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation, Kind,
    PrepareContext, Resource, RuntimeInfo, SettingDef, Settings, Unavailable, is_plain_name,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Guest domains of Xen.
#[derive(Debug)]
pub struct Xen;

/// Long enough for a guest in a dom0 that is itself emulated.
const BOOT: Duration = Duration::from_secs(60);

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "type",
        kind: Kind::Choice(&["pv", "pvh", "hvm"]),
        default: Some("pv"),
        help: "pv: paravirtualised; pvh: virtualised by the processor, without an emulated machine; hvm: \
               with an emulated machine",
    },
    VCPUS,
    MEMORY,
    KERNEL,
];

impl Driver for Xen {
    fn name(&self) -> &'static str {
        "xen"
    }

    fn summary(&self) -> &'static str {
        "a guest domain of the Xen hypervisor, started from dom0 with xl"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn variants(&self) -> &'static [&'static str] {
        &["type=pvh", "type=pv", "type=hvm"]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: true,
            host_files: false,
            rootless: false,
            pause: true,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "its own, next to dom0's, on the same hypervisor",
            system_calls: "none; it makes hypercalls to the hypervisor",
            root: "nobody in dom0",
            sources: &["https://wiki.xenproject.org/wiki/Xen_Project_Software_Overview"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let remedy = "see docs/drivers/xen.md, and look at /var/log/xen";
        let environment = XenEnvironment::prepare(settings, &Image::default(), cx)
            .map_err(|error| error.unavailable(remedy))?;
        trial_life::live(&environment, BOOT, cx).map_err(|reason| Unavailable::new(reason, remedy))?;
        let boot = &environment.boot;
        let details = BTreeMap::from([
            ("type".to_owned(), environment.kind.word().to_owned()),
            ("guest kernel".to_owned(), format!("{} ({})", boot.release, boot.booted)),
        ]);
        Ok(RuntimeInfo { version: environment.version.clone(), details })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(XenEnvironment::prepare(settings, image, cx)?))
    }

    fn release(&self, resource: &Resource, deadline: &Deadline) -> Result<bool, DriverError> {
        match resource {
            Resource::Managed { what, id, .. } if what == "domain" => match is_plain_name(id) {
                true => Xl::find()?.destroy(id, deadline),
                false => Err(DriverError::failed("remove", id, "no record of the driver xen")),
            },
            _ => Ok(false),
        }
    }
}
