//! Which kernel the guest boots, and the folder with its modules.

use super::modules::ModuleIndex;
use super::vmlinuz;
use isotare_core::{Cause, Deadline, Unavailable, with_sources};
use isotare_host::{find_program, output_up_to};
use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const INSTALL: &str =
    "install a kernel for guests (Debian: linux-image-cloud-amd64), or name one with kernel=PATH";

/// Maximum size of a kernel, bytes. An ELF image with all debug information is smaller.
const LARGEST: u64 = 2 << 30;

/// A kernel on this host's disk.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) content: Vec<u8>,
    /// Such as `6.1.0-30-cloud-amd64`.
    pub(crate) release: String,
    /// `/lib/modules/RELEASE`.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// The requested one, otherwise the best of those that have these modules, otherwise the best.
    pub(crate) fn find(asked: Option<&str>, modules: &[&str]) -> Result<Self, Unavailable> {
        let path = match asked {
            Some(path) => PathBuf::from(path),
            None => best(Path::new("/boot"), &|release| has_modules(release, modules))
                .ok_or_else(|| Unavailable::new("there is no /boot/vmlinuz-*", INSTALL))?,
        };
        Self::read(&path)
    }

    /// The file to boot, and a description: the ELF image if possible, which is written into the folder,
    /// otherwise the boot image and the reason. Consumes the content.
    pub(crate) fn bootable(&mut self, folder: &Path, deadline: &Deadline) -> io::Result<(PathBuf, String)> {
        let content = std::mem::take(&mut self.content);
        let run = |program: &str, packed: &[u8]| unpack_by(program, packed, folder, deadline);
        Ok(match vmlinuz::unpack(&content, &run) {
            Ok(elf) => {
                let path = folder.join("vmlinux");
                fs::write(&path, elf)?;
                (path, "ELF image, booted with PVH".to_owned())
            }
            Err(_) if vmlinuz::is_elf(&content) => (self.path.clone(), "ELF image, unchanged".to_owned()),
            Err(why) => (self.path.clone(), format!("boot image ({})", with_sources(&why))),
        })
    }

    fn read(path: &Path) -> Result<Self, Unavailable> {
        let shown = path.display();
        let content = isotare_files::named(path, LARGEST).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Unavailable::new(
                format!("the kernel {shown} is not readable"),
                format!("run isotare as root, or make it readable: chmod a+r {shown}"),
            ),
            _ => Unavailable::new(format!("the kernel {shown}: {error}"), INSTALL),
        })?;
        if !vmlinuz::is_image(&content) && !vmlinuz::is_elf(&content) {
            return Err(Unavailable::new(format!("{shown} is not a Linux kernel (bzImage or ELF)"), INSTALL));
        }
        let named = || {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix("vmlinuz-").or(name.strip_prefix("vmlinux-")).map(str::to_owned)
        };
        let release = vmlinuz::release(&content).or_else(named).ok_or_else(|| {
            Unavailable::new(
                format!("the release of the kernel {shown} is not known"),
                "name its file vmlinux-RELEASE, and put its modules into /lib/modules/RELEASE",
            )
        })?;
        let modules = Path::new("/lib/modules").join(&release);
        if !modules.join("modules.dep").is_file() {
            return Err(Unavailable::new(
                format!("the kernel {shown} has no modules: {}/modules.dep is missing", modules.display()),
                format!("install the complete package of the kernel, or run: depmod {release}"),
            ));
        }
        Ok(Self { path: path.to_owned(), content, release, modules })
    }
}

/// The newest kernel in a folder. A suitable kernel is preferred, then a cloud kernel, because it boots
/// faster.
fn best(folder: &Path, suits: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let kernels = names.filter_map(|name| Some((suits(name.strip_prefix("vmlinuz-")?), name)));
    let best = kernels.max_by(|(a_suits, a), (b_suits, b)| a_suits.cmp(b_suits).then_with(|| compare(a, b)));
    best.map(|(_, name)| folder.join(name))
}

/// The largest kernel that is unpacked, bytes. With what debuggers need it is some hundred MiB.
const LARGEST_UNPACKED: u64 = 1 << 30;

/// Unpacks these bytes with a program, using a file in the folder.
fn unpack_by(program: &str, packed: &[u8], folder: &Path, deadline: &Deadline) -> Result<Vec<u8>, Cause> {
    let program = find_program(program).ok_or("it is not installed")?;
    let file = folder.join("vmlinux.packed");
    fs::write(&file, packed).map_err(|e| format!("write {}: {e}", file.display()))?;
    let output = output_up_to(LARGEST_UNPACKED, &program, &["-dc", &file.to_string_lossy()], deadline);
    // It is in the environment's work folder, which its owner removes as well.
    let _left = fs::remove_file(&file);
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the kernel of this release, as its file is named, has all of these.
fn has_modules(release: &str, wanted: &[&str]) -> bool {
    let folder = Path::new("/lib/modules").join(release);
    let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    ModuleIndex::parse(&read("modules.dep"), &read("modules.builtin"), "").has(wanted)
}

fn compare(a: &str, b: &str) -> Ordering {
    let is_cloud = |name: &str| name.contains("-cloud-");
    is_cloud(a).cmp(&is_cloud(b)).then_with(|| numbers(a).cmp(&numbers(b))).then_with(|| a.cmp(b))
}

/// The numbers in a name, in order: `6.1.0-30` is newer than `6.1.0-9`.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_cloud_kernel_is_preferred_then_the_newest_kernel() {
        let folder = tempfile::tempdir().expect("a folder");
        let add = |name: &str| fs::write(folder.path().join(name), "").expect("written");
        let best = |suits: &dyn Fn(&str) -> bool| {
            best(folder.path(), suits).and_then(|path| Some(path.file_name()?.to_str()?.to_owned()))
        };
        let name = || best(&|_| true);
        assert_eq!(name(), None);
        ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-30-amd64", "config-9"].into_iter().for_each(add);
        assert_eq!(name().as_deref(), Some("vmlinuz-6.1.0-30-amd64"));
        add("vmlinuz-6.1.0-10-cloud-amd64");
        assert_eq!(name().as_deref(), Some("vmlinuz-6.1.0-10-cloud-amd64"));
        let generic = best(&|release| !release.contains("cloud"));
        assert_eq!(generic.as_deref(), Some("vmlinuz-6.1.0-30-amd64"));
        assert_eq!(best(&|_| false), name());
    }

    #[test]
    fn a_file_that_is_not_a_kernel_is_named() {
        let error = Kernel::find(Some("/etc/passwd"), &[]).expect_err("refused").to_string();
        assert!(error.contains("/etc/passwd is not a Linux kernel"), "{error}");
        let error = Kernel::find(Some("/no/such"), &[]).expect_err("refused").to_string();
        assert!(error.contains("/no/such") && error.contains("kernel=PATH"), "{error}");
    }
}
