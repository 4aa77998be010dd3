//! The driver: the way from an image to an environment.

use super::environment::QemuEnvironment;
use super::probe;
use super::settings::SETTINGS;
use super::spec::Spec;
use isotare_core::{
    Attaching, Base, Capabilities, Driver, DriverError, Environment, Image, Isolation, PrepareContext,
    RuntimeInfo, SettingDef, Settings, Unavailable,
};

/// Virtual machines of QEMU.
#[derive(Debug)]
pub struct Qemu;

impl Driver for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn summary(&self) -> &'static str {
        "a QEMU virtual machine with a distribution's kernel, with software emulation or KVM"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn variants(&self) -> &'static [&'static str] {
        &["accel=kvm", "accel=tcg"]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: true,
            host_files: false,
            rootless: true,
            pause: true,
            // Not `Created` yet: with it, a microvm passes the rule about segments, but q35, pc and the labs have
            // not been checked.
            segment: Attaching::Unsupported,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "its own",
            system_calls: "none from the guest; those of QEMU for its devices, limited by its own filter",
            root: "nobody on the host; QEMU runs as the user who starts it; if that is root, as a separate \
                   user (not with root=9p)",
            sources: &["https://www.qemu.org/docs/master/system/security.html"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        probe::probe(Spec::read(settings, cx.budget, &Base::Empty)?, cx)
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(QemuEnvironment::prepare(Spec::read(settings, cx.budget, &image.base)?, image, cx)?))
    }
}
