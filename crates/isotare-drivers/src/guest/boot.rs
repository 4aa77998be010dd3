//! The files that a guest boots, prepared once for all machines of an environment.

use super::{DATA_NAME, DATA_SIZE, DiskFormat, DiskPlan, Kernel, Template, initramfs};
use isotare_core::{DriverError, Image, PrepareContext};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Kernel, initramfs and data disk in a folder of their own. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct Boot {
    /// The kernel's ELF image, or its boot image.
    pub(crate) kernel: PathBuf,
    /// The original file of the kernel.
    pub(crate) image: PathBuf,
    pub(crate) initramfs: PathBuf,
    pub(crate) template: Option<Template>,
    /// Of the kernel.
    pub(crate) release: String,
    /// Which of the kernel's images it is, and why.
    pub(crate) booted: String,
    folder: PathBuf,
}

impl Boot {
    /// Makes it in the context's work folder. `modules` are what the guest's devices need, `memory` is the
    /// guest's, in bytes.
    pub(crate) fn prepare(
        mut kernel: Kernel,
        modules: &[&str],
        disk: Option<DiskFormat>,
        memory: u64,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let base = initramfs::base(&image.base, memory)?;
        let image = initramfs::bootable(image, cx.agent, &kernel, modules, &cx.deadline)?;
        let folder = cx.work.join("boot");
        let failed =
            |path: &Path, e: std::io::Error| DriverError::failed("write", path.display().to_string(), e);
        fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
        let archive = folder.join("initramfs");
        initramfs::pack(base, &image)
            .and_then(|bytes| fs::write(&archive, bytes))
            .map_err(|e| failed(&archive, e))?;
        let (path, booted) =
            kernel.bootable(&folder, &cx.deadline).map_err(|e| failed(&folder.join("vmlinux"), e))?;
        let found = kernel.path;
        let plan = DiskPlan { name: DATA_NAME, size: DATA_SIZE, content: None };
        let template = disk.map(|format| Template::make(&plan, format, &folder, &cx.deadline)).transpose()?;
        Ok(Self {
            kernel: path,
            image: found,
            initramfs: archive,
            template,
            release: kernel.release,
            booted,
            folder,
        })
    }

    /// Facts about it.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let disk = if self.template.is_some() { "raw" } else { "none" };
        BTreeMap::from([
            ("guest.kernel".to_owned(), self.release.clone()),
            ("guest.kernel.booted".to_owned(), self.booted.clone()),
            ("disk.format".to_owned(), disk.to_owned()),
        ])
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        // It is in the environment's work folder, which its owner removes as well.
        let _left = fs::remove_dir_all(&self.folder);
    }
}
