//! The domain's definition and the files that its machines boot, prepared once.

use super::instance::LibvirtInstance;
use super::virsh::Virsh;
use super::xml;
use crate::guest::{Boot, DATA_NAME, DiskFormat, Kernel, Shape, monitor_limits, tsc};
use crate::spawned::usable_cgroups;
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Budget, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext, Settings,
    Unavailable, with_sources,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Memory of QEMU in addition to the guest's.
const HEADROOM: u64 = 512 << 20;
/// The name of the agent's port in the guest.
pub(super) const CONTROL_PORT: &str = "isotare.control";
/// For its bus, control port and disk.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_console", "virtio_blk", "ext4"];

/// Prepared for trials.
pub(super) struct LibvirtEnvironment {
    pub(super) virsh: Virsh,
    pub(super) definition: String,
    pub(super) shape: Shape,
    pub(super) boot: Boot,
    pub(super) parameters: String,
    pub(super) cache: String,
    pub(super) hierarchies: Result<Hierarchies, String>,
    /// Libvirt's and QEMU's.
    pub(super) version: String,
    domain: Option<String>,
    kind: String,
}

impl LibvirtEnvironment {
    /// Makes it in the context's work folder.
    pub(super) fn prepare(
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let shape = Shape::read(settings, cx.budget)?;
        let from_environment = || std::env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty());
        let uri = settings.text("uri").map(str::to_owned).or_else(from_environment);
        let virsh = Virsh::find(uri.as_deref().unwrap_or("qemu:///system"))?;
        let version = version(&virsh, cx)?;
        let domain = settings.text("domain").map(str::to_owned);
        let definition = match &domain {
            Some(name) => virsh.run(&["dumpxml", "--inactive", name], &cx.deadline).map_err(|error| {
                Unavailable::new(
                    with_sources(&error),
                    "name a domain that 'virsh list --all' shows, or another uri",
                )
            })?,
            None => {
                let machine = settings.text("machine").unwrap_or("q35");
                xml::plain(settings.text("type").unwrap_or("kvm"), machine)
            }
        };
        let kind = xml::kind(&definition).unwrap_or_default();
        if !["kvm", "qemu"].contains(&kind.as_str()) {
            let name = domain.as_deref().unwrap_or_default();
            let reason = format!("the domain {name} has the type {kind}; the driver supports kvm and qemu");
            return Err(Unavailable::new(reason, "name another domain").into());
        }
        let disk = (settings.text("disk") != Some("none")).then_some(DiskFormat::Raw);
        let kernel = Kernel::find(settings.text("kernel"), &MODULES)?;
        let boot = Boot::prepare(kernel, &MODULES, disk, shape.memory, image, cx)?;
        let mut parameters =
            "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on cryptomgr.notests".to_owned();
        if kind == "qemu" {
            // The kernel's test of its timer fails with a panic if emulation is stopped for a moment.
            parameters.push_str(&format!(" no_timer_check {}", tsc::parameters(tsc::measure_khz())));
        }
        parameters.push_str(&format!(" isotare.port={CONTROL_PORT}"));
        if disk.is_some() {
            parameters.push_str(&format!(" isotare.data={DATA_NAME}"));
        }
        Ok(Self {
            virsh,
            definition,
            shape,
            boot,
            parameters,
            cache: settings.text("cache").unwrap_or("none").to_owned(),
            hierarchies: usable_cgroups(),
            version,
            domain,
            kind,
        })
    }

    /// The limits of QEMU's cgroup: the budget's CPUs, and memory and threads for the guest and for QEMU.
    pub(super) fn limits(&self, cx: &InstanceContext<'_>) -> Budget {
        monitor_limits(cx.budget, self.shape.vcpus, self.shape.memory.saturating_add(HEADROOM))
    }

    /// Longest time for a machine to come up. On KVM, a machine that works needs a fraction of it.
    pub(super) fn boot_limit(&self) -> Duration {
        Duration::from_secs(if self.kind == "kvm" { 20 } else { 60 })
    }

    /// For the probe.
    pub(super) fn details(&self) -> BTreeMap<String, String> {
        let mut details = BTreeMap::from([
            ("type".to_owned(), self.kind.clone()),
            ("daemon".to_owned(), self.virsh.uri.clone()),
            ("guest kernel".to_owned(), format!("{} ({})", self.boot.release, self.boot.booted)),
        ]);
        if let Err(why) = &self.hierarchies {
            details.insert("budget".to_owned(), format!("not enforced: {why}"));
        }
        details
    }
}

impl Environment for LibvirtEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(LibvirtInstance::create(self, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.boot.facts();
        let mut add = |name: &str, value: String| facts.insert(name.to_owned(), value);
        add("accelerator", if self.kind == "qemu" { "tcg" } else { "kvm" }.to_owned());
        add("vcpus", self.shape.vcpus.to_string());
        add("memory", self.shape.memory.to_string());
        add("libvirt.version", self.version.clone());
        if let Some(domain) = &self.domain {
            add("libvirt.domain", domain.clone());
        }
        if self.boot.template.is_some() {
            add("disk.cache", self.cache.clone());
        }
        match &self.hierarchies {
            Ok(_) => {
                add("budget.enforced", "cgroup".to_owned());
                add("vmm.memory.headroom", HEADROOM.to_string());
            }
            Err(why) => {
                add("budget.enforced", format!("none: {why}"));
            }
        }
        facts
    }
}

/// The daemon's information about itself, or the reason why it is not available.
fn version(virsh: &Virsh, cx: &PrepareContext<'_>) -> Result<String, Unavailable> {
    let said = virsh.run(&["version"], &cx.deadline).map_err(|error| {
        Unavailable::new(
            with_sources(&error),
            "start libvirtd (Debian: libvirt-daemon-system), or name another daemon with uri=…",
        )
    })?;
    let version = |line: &str| line.split_once(": ").map(|(_, version)| version.trim().to_owned());
    let wanted = ["Using library", "Running hypervisor"];
    let found: Vec<String> = said
        .lines()
        .filter(|line| wanted.iter().any(|start| line.starts_with(start)))
        .filter_map(version)
        .collect();
    Ok(found.join(", "))
}
