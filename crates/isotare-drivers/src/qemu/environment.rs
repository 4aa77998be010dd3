//! Kernel, initramfs, disks and shared root, prepared once, and the common properties of all machines.

use super::facts;
use super::host::{find_qemu, open_kvm};
use super::instance::QemuInstance;
use super::memory::meminfo;
use super::network::{Backend, Network};
use super::share::{self, Export};
use super::spec::{Accelerator, DATA_NAME, ROOT_NAME, Root, Spec};
use crate::guest::{DiskPlan, Kernel, Template, initramfs, monitor_limits, size_for, tsc};
use crate::root::{MountedRoot, Tree};
use crate::spawned::usable_cgroups;
use isotare_cgroup::Hierarchies;
use isotare_core::{Budget, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Memory of QEMU in addition to the guest's.
pub(super) const HEADROOM: u64 = 512 << 20;

/// Prepared for trials. Dropping it removes its files.
pub(super) struct QemuEnvironment {
    pub(super) spec: Spec,
    pub(super) program: PathBuf,
    pub(super) version: String,
    pub(super) release: String,
    /// How the guest boots the kernel: from its ELF image, or from the boot image with the reason.
    pub(super) booted: String,
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    /// One for each of the spec's disks.
    pub(super) templates: Vec<Template>,
    /// The root, if it is a folder of the host.
    pub(super) export: Option<Export>,
    /// The program `ip`, where the network needs it.
    pub(super) ip: Option<PathBuf>,
    pub(super) hierarchies: Result<Hierarchies, String>,
    pub(super) tsc_khz: Option<u64>,
    folder: PathBuf,
}

impl QemuEnvironment {
    /// Makes it in the context's work folder.
    pub(super) fn prepare(
        mut spec: Spec,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let (program, version) = find_qemu(spec.confinement.filter, cx)?;
        if spec.accelerator == Accelerator::Kvm {
            open_kvm()?;
        }
        spec.memory.check(&meminfo())?;
        if cx.is_attached {
            spec.network.get_or_insert(Network::SEGMENT);
        }
        let virtiofsd = share::usable(spec.root)?;
        let ip = spec.network.map_or(Ok(None), |network| network.usable())?;
        let modules = spec.modules();
        let mut kernel = Kernel::find(spec.kernel.as_deref(), &modules)?;
        let empty = Image::default();
        let held = if spec.root == Root::Initramfs { image } else { &empty };
        let archived = initramfs::bootable(held, cx.agent, &kernel, &modules, &cx.deadline)?;
        let folder = cx.work.join("qemu");
        let failed = |path: &Path, e: io::Error| DriverError::failed("write", path.display().to_string(), e);
        fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
        let archive = folder.join("initramfs");
        initramfs::pack(initramfs::base(&held.base, spec.memory.bytes)?, &archived)
            .and_then(|bytes| fs::write(&archive, bytes))
            .map_err(|e| failed(&archive, e))?;
        let (kernel_path, booted) =
            kernel.bootable(&folder, &cx.deadline).map_err(|e| failed(&folder.join("vmlinux"), e))?;
        let tree = (spec.root != Root::Initramfs).then(|| Tree::lay_out(image, cx)).transpose()?;
        let mut templates = Vec::new();
        if let Some(tree) = tree.as_ref().filter(|_| spec.root == Root::Disk) {
            templates.push(root_disk(tree, &spec, &folder, cx)?);
        }
        if spec.data_disk {
            let plan = DiskPlan { name: DATA_NAME, size: spec.storage.size, content: None };
            templates.push(Template::make(&plan, spec.storage.format, &folder, &cx.deadline)?);
        }
        let emulated = matches!(spec.accelerator, Accelerator::Tcg { .. });
        Ok(Self {
            export: tree.filter(|_| spec.root.is_shared()).map(|tree| Export { tree, virtiofsd }),
            spec,
            program,
            version,
            release: kernel.release,
            booted,
            kernel: kernel_path,
            initramfs: archive,
            templates,
            ip,
            hierarchies: usable_cgroups(),
            tsc_khz: emulated.then(tsc::measure_khz).flatten(),
            folder,
        })
    }

    /// The spec of an instance: without a link to a segment if it has none.
    pub(super) fn spec_of(&self, cx: &InstanceContext<'_>) -> Spec {
        let network = self.spec.network.filter(|it| it.backend != Backend::Segment || cx.network.is_some());
        Spec { network, ..self.spec.clone() }
    }

    /// The limits of QEMU's cgroup: the budget's CPUs, and memory and threads for the guest and for QEMU.
    pub(super) fn limits(&self, cx: &InstanceContext<'_>) -> Budget {
        monitor_limits(cx.budget, self.spec.vcpus, self.spec.memory.bytes.saturating_add(HEADROOM))
    }
}

/// The tree's files on a disk, in the format of the data disk. If there is no data disk, this disk also has
/// its space.
fn root_disk(
    tree: &Tree,
    spec: &Spec,
    folder: &Path,
    cx: &PrepareContext<'_>,
) -> Result<Template, DriverError> {
    let make = |content: &Path| {
        let spare = if spec.data_disk { 0 } else { spec.storage.size };
        let size = size_for(content, spare)
            .map_err(|e| DriverError::failed("read", content.display().to_string(), e))?;
        let plan = DiskPlan { name: ROOT_NAME, size, content: Some(content) };
        Template::make(&plan, spec.storage.format, folder, &cx.deadline)
    };
    match tree.to_copy()? {
        [only] => make(only),
        // mkfs.ext4 copies one folder: the layers are shown as one.
        _ => {
            let mut merged = MountedRoot::mount_in(tree, folder, cx.session, cx.ledger)?;
            let template = make(merged.path());
            merged.remove().and(template)
        }
    }
}

impl Environment for QemuEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        Ok(Box::new(QemuInstance::create(self, cx)?))
    }

    fn unattached(&self) -> Option<&'static str> {
        let own = self.spec.network.filter(|it| it.backend != Backend::Segment);
        own.map(|_| "it has another network (its setting network)")
    }

    fn facts(&self) -> BTreeMap<String, String> {
        facts::facts(self)
    }
}

impl Drop for QemuEnvironment {
    fn drop(&mut self) {
        // It is in the environment's work folder, which its owner removes as well.
        let _left = fs::remove_dir_all(&self.folder);
    }
}
