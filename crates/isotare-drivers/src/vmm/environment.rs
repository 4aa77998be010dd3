//! A monitor and the files that its machines boot, prepared once.

use super::Dialect;
use super::instance::VmmInstance;
use crate::guest::{Boot, DATA_NAME, DiskFormat, Kernel, Shape, monitor_limits};
use crate::installed;
use crate::spawned::usable_cgroups;
use crate::trial_life;
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Budget, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext, RuntimeInfo,
    Settings, Unavailable,
};
use isotare_host::find_program;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// Memory of a monitor in addition to the guest's: its own, and the page cache of the files that it reads.
const HEADROOM: u64 = 256 << 20;
/// The agent's port on the host. Any number is possible, because each machine has its own host.
pub(super) const PORT: u32 = 1024;
/// Timeout for the boot of a guest on KVM. A guest that works boots in a fraction of it, but in nested
/// emulation it needs a large part of it.
const BOOT: Duration = Duration::from_secs(20);

/// Prepared for trials.
pub(crate) struct VmmEnvironment {
    pub(super) dialect: Dialect,
    pub(super) settings: Settings,
    pub(super) shape: Shape,
    pub(super) program: PathBuf,
    pub(super) boot: Boot,
    pub(super) parameters: String,
    pub(super) hierarchies: Result<Hierarchies, String>,
    version: String,
}

impl VmmEnvironment {
    /// Makes it in the context's work folder.
    pub(crate) fn prepare(
        dialect: Dialect,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let shape = Shape::read(settings, cx.budget)?;
        let program = match settings.text("binary") {
            Some(path) => find_program(path).ok_or_else(|| {
                Unavailable::new(format!("{path} is not a program"), "correct the setting binary")
            })?,
            None => installed::program(dialect.program, dialect.package)?,
        };
        let version = installed::version(&program, &["--version"], &cx.deadline)?;
        open_kvm()?;
        let disk = (settings.text("disk") != Some("none")).then_some(DiskFormat::Raw);
        let kernel = Kernel::find(settings.text("kernel"), dialect.modules)?;
        let boot = Boot::prepare(kernel, dialect.modules, disk, shape.memory, image, cx)?;
        let mut parameters = format!(
            "console=ttyS0 quiet panic=-1 random.trust_cpu=on cryptomgr.notests {} isotare.vsock={PORT}",
            dialect.parameters
        );
        if disk.is_some() {
            parameters.push_str(&format!(" isotare.data={DATA_NAME}"));
        }
        Ok(Self {
            dialect,
            settings: settings.clone(),
            shape,
            program,
            boot,
            parameters,
            hierarchies: usable_cgroups(),
            version,
        })
    }

    /// Whether machines work here.
    pub(crate) fn probe(
        dialect: Dialect,
        settings: &Settings,
        cx: &PrepareContext<'_>,
    ) -> Result<RuntimeInfo, Unavailable> {
        let remedy = "use a host (or nested virtualisation) whose KVM boots a standard kernel";
        let environment = Self::prepare(dialect, settings, &Image::default(), cx)
            .map_err(|error| error.unavailable(remedy))?;
        trial_life::live(&environment, BOOT, cx).map_err(|reason| Unavailable::new(reason, remedy))?;
        let boot = &environment.boot;
        let mut details = BTreeMap::from([
            ("program".to_owned(), environment.program.display().to_string()),
            ("guest kernel".to_owned(), format!("{} ({})", boot.release, boot.booted)),
        ]);
        if let Err(why) = &environment.hierarchies {
            details.insert("budget".to_owned(), format!("not enforced: {why}"));
        }
        Ok(RuntimeInfo { version: environment.version.clone(), details })
    }

    /// The limits of a monitor's cgroup: the budget's CPUs, and memory and threads for the guest and for
    /// itself.
    pub(super) fn limits(&self, cx: &InstanceContext<'_>) -> Budget {
        monitor_limits(cx.budget, self.shape.vcpus, self.shape.memory.saturating_add(HEADROOM))
    }
}

impl Environment for VmmEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(VmmInstance::create(self, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.boot.facts();
        let mut add = |name: &str, value: String| facts.insert(name.to_owned(), value);
        add("accelerator", "kvm".to_owned());
        add("vcpus", self.shape.vcpus.to_string());
        add("memory", self.shape.memory.to_string());
        add("vmm.version", self.version.clone());
        for key in ["cache", "io"] {
            if let (Some(value), true) = (self.settings.text(key), self.boot.template.is_some()) {
                add(&format!("disk.{key}"), value.to_owned());
            }
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

fn open_kvm() -> Result<(), Unavailable> {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(Unavailable::new(
            format!("/dev/kvm: {error}"),
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "run isotare as root, or become a member of the group kvm"
                }
                _ => "enable virtualisation in the firmware and load the module kvm_intel or kvm_amd",
            },
        )),
    }
}
