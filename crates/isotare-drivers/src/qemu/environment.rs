//! Kernel, initramfs and disk made ready once, and what all machines have in common.

use super::command::kernel_parameters;
use super::disk::Template;
use super::initramfs;
use super::instance::QemuInstance;
use super::kernel::Kernel;
use super::spec::{Accelerator, Spec};
use super::{tsc, vmlinuz};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Budget, DriverError, Environment, Image, Instance, PrepareContext, TrialContext, Unavailable,
};
use isotare_host::{find_program, output_of};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What QEMU may use beside the guest's memory.
const HEADROOM: u64 = 512 << 20;

/// Prepared for trials. Dropping it removes its files.
pub(super) struct QemuEnvironment {
    pub(super) spec: Spec,
    pub(super) program: PathBuf,
    pub(super) version: String,
    pub(super) release: String,
    /// How the kernel reaches the guest: its ELF image, or the boot image and why.
    pub(super) booted: String,
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    pub(super) parameters: String,
    pub(super) template: Option<Template>,
    pub(super) hierarchies: Result<Hierarchies, String>,
    tsc_khz: Option<u64>,
    folder: PathBuf,
}

impl QemuEnvironment {
    /// Makes it in the context's work folder.
    pub(super) fn prepare(spec: Spec, image: &Image, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let (program, version) = find_qemu(cx)?;
        if spec.accelerator == Accelerator::Kvm {
            open_kvm()?;
        }
        let mut kernel = Kernel::find(spec.kernel.as_deref())?;
        let modules = spec.machine.modules();
        let image = initramfs::bootable(image, cx.agent, &kernel, &modules, &cx.deadline)?;
        let folder = cx.work.join("qemu");
        let failed =
            |path: &Path, e: std::io::Error| DriverError::failed("write", path.display().to_string(), e);
        fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
        let archive = folder.join("initramfs");
        initramfs::pack(&image)
            .and_then(|bytes| fs::write(&archive, bytes))
            .map_err(|e| failed(&archive, e))?;
        let content = std::mem::take(&mut kernel.content);
        let (kernel_path, booted) = match vmlinuz::unpack(&content) {
            Ok(elf) => {
                let path = folder.join("vmlinux");
                fs::write(&path, elf).map_err(|e| failed(&path, e))?;
                (path, "ELF image by PVH".to_owned())
            }
            Err(_) if vmlinuz::is_elf(&content) => (kernel.path, "ELF image as given".to_owned()),
            Err(why) => (kernel.path, format!("boot image ({why})")),
        };
        let template = spec.disk.map(|format| Template::make(format, &folder, &cx.deadline)).transpose()?;
        let tsc_khz = (spec.accelerator == Accelerator::Tcg).then(tsc::measure_khz).flatten();
        Ok(Self {
            parameters: kernel_parameters(&spec, tsc_khz),
            spec,
            program,
            version,
            release: kernel.release,
            booted,
            kernel: kernel_path,
            initramfs: archive,
            template,
            hierarchies: usable_cgroups(),
            tsc_khz,
            folder,
        })
    }

    /// The limits of QEMU's cgroup: the budget's CPUs, and memory for the guest and for QEMU.
    pub(super) fn limits(&self, cx: &TrialContext<'_>) -> Budget {
        Budget { cpus: cx.budget.cpus.clone(), memory: self.spec.memory.saturating_add(HEADROOM) }
    }
}

impl Environment for QemuEnvironment {
    fn create(&mut self, cx: &TrialContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(QemuInstance::create(self, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let spec = &self.spec;
        let mut facts = BTreeMap::from([
            ("accelerator", spec.accelerator.word().to_owned()),
            ("machine", spec.machine.word().to_owned()),
            ("vcpus", spec.vcpus.to_string()),
            ("memory", spec.memory.to_string()),
            ("cpu.model", spec.cpu.clone()),
            ("guest.kernel", self.release.clone()),
            ("guest.kernel.booted", self.booted.clone()),
            ("disk.format", spec.disk.map_or("none", |format| format.word()).to_owned()),
            ("qemu.version", self.version.clone()),
        ]);
        if spec.disk.is_some() {
            facts.insert("disk.cache", spec.cache.clone());
        }
        if let Some(khz) = self.tsc_khz {
            facts.insert("clock.tsc_khz", khz.to_string());
        }
        match &self.hierarchies {
            Ok(_) => {
                facts.insert("budget.enforced", "cgroup".to_owned());
                facts.insert("vmm.memory.headroom", HEADROOM.to_string());
            }
            Err(why) => {
                facts.insert("budget.enforced", format!("none: {why}"));
            }
        }
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Drop for QemuEnvironment {
    fn drop(&mut self) {
        // It is in the environment's work folder, which its owner removes as well.
        let _left = fs::remove_dir_all(&self.folder);
    }
}

/// QEMU and its version.
fn find_qemu(cx: &PrepareContext<'_>) -> Result<(PathBuf, String), DriverError> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Unavailable::new("the driver knows x86-64 only", "use another driver here").into());
    }
    let install = "install it (Debian: qemu-system-x86)";
    let program = find_program("qemu-system-x86_64")
        .ok_or_else(|| Unavailable::new("there is no qemu-system-x86_64", install))?;
    let shown = program.display().to_string();
    let output = output_of(&program, &["--version"], &cx.deadline)
        .map_err(|e| e.during("ask for the version of", shown.clone()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version =
        text.lines().next().and_then(|line| line.split_once("version ")).map(|(_, rest)| rest.trim());
    match version {
        Some(version) if output.status.success() => Ok((program, version.to_owned())),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Unavailable::new(format!("{shown} --version: {}: {said}", output.status), install).into())
        }
    }
}

fn open_kvm() -> Result<(), Unavailable> {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(Unavailable::new(
            format!("/dev/kvm: {error}"),
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => "run as root, or join the group kvm",
                _ => {
                    "turn virtualisation on in the firmware and load kvm_intel or kvm_amd; accel=tcg needs neither"
                }
            },
        )),
    }
}

fn usable_cgroups() -> Result<Hierarchies, String> {
    let hierarchies = Hierarchies::discover().map_err(|error| error.to_string())?;
    hierarchies.writable("isotare").map_err(|unavailable| unavailable.to_string())?;
    Ok(hierarchies)
}
