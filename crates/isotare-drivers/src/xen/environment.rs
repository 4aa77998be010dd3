//! The files that the guests boot, prepared once.

use super::config::GuestType;
use super::instance::XenInstance;
use super::xl::Xl;
use crate::guest::{Boot, Kernel, Shape};
use crate::installed::root_only;
use isotare_core::{
    DriverError, Environment, Image, Instance, InstanceContext, PrepareContext, Settings, Unavailable,
    with_sources,
};
use std::collections::BTreeMap;
use std::fs;

/// Prepared for trials.
pub(super) struct XenEnvironment {
    pub(super) xl: Xl,
    pub(super) kind: GuestType,
    pub(super) shape: Shape,
    pub(super) boot: Boot,
    /// The hypervisor's.
    pub(super) version: String,
}

impl XenEnvironment {
    /// Makes it in the context's work folder.
    pub(super) fn prepare(
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        control_domain()?;
        root_only("xl")?;
        let shape = Shape::read(settings, cx.budget)?;
        let kind = match settings.text("type") {
            Some("pvh") => GuestType::Pvh,
            Some("hvm") => GuestType::Hvm,
            _ => GuestType::Pv,
        };
        let xl = Xl::find()?;
        let version = xl.version(&cx.deadline).map_err(|error| {
            Unavailable::new(
                with_sources(&error),
                "load xen-privcmd, xen-evtchn, xen-gntdev and xenfs, and start Xen's services (systemctl start xen)",
            )
        })?;
        // The console's driver is built into kernels that support Xen: CONFIG_HVC_XEN cannot be a module.
        let boot =
            Boot::prepare(Kernel::find(settings.text("kernel"), &[])?, &[], None, shape.memory, image, cx)?;
        Ok(Self { xl, kind, shape, boot, version })
    }
}

impl Environment for XenEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(XenInstance::create(self, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.boot.facts();
        let mut add = |name: &str, value: String| facts.insert(name.to_owned(), value);
        add("xen.version", self.version.clone());
        add("xen.type", self.kind.word().to_owned());
        add("vcpus", self.shape.vcpus.to_string());
        add("memory", self.shape.memory.to_string());
        add("budget.enforced", "hypervisor".to_owned());
        facts
    }
}

/// Whether this system is the one that controls a Xen hypervisor:
/// Documentation/ABI/stable/sysfs-hypervisor-xen in the kernel's sources, and `capabilities` of xenfs.
fn control_domain() -> Result<(), Unavailable> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let remedy = "boot this machine with Xen (Debian: xen-system-amd64) and run isotare in dom0";
    if read("/sys/hypervisor/type").trim() != "xen" {
        return Err(Unavailable::new("this system is not a dom0, because it does not run on Xen", remedy));
    }
    let capabilities = read("/proc/xen/capabilities");
    if !capabilities.contains("control_d") {
        let reason = match capabilities.trim().is_empty() {
            true => "/proc/xen/capabilities is empty or missing",
            false => "this system is a Xen guest, not a dom0",
        };
        return Err(Unavailable::new(reason, format!("mount -t xenfs xenfs /proc/xen; {remedy}")));
    }
    Ok(())
}
