//! Which kernel the guest boots, and the folder with its modules.

use super::vmlinuz;
use isotare_core::Unavailable;
use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const INSTALL: &str =
    "install a kernel for guests (Debian: linux-image-cloud-amd64), or name one: kernel=PATH";

/// A kernel on this host's disk.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// Its file.
    pub(super) path: PathBuf,
    /// Its content.
    pub(super) content: Vec<u8>,
    /// Such as `6.1.0-30-cloud-amd64`.
    pub(super) release: String,
    /// `/lib/modules/RELEASE`.
    pub(super) modules: PathBuf,
}

impl Kernel {
    /// The one asked for, else the newest for clouds, else the newest.
    pub(super) fn find(asked: Option<&str>) -> Result<Self, Unavailable> {
        let path = match asked {
            Some(path) => PathBuf::from(path),
            None => newest(Path::new("/boot"))
                .ok_or_else(|| Unavailable::new("there is no /boot/vmlinuz-*", INSTALL))?,
        };
        Self::read(&path)
    }

    fn read(path: &Path) -> Result<Self, Unavailable> {
        let shown = path.display();
        let content = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Unavailable::new(
                format!("the kernel {shown} is not readable"),
                format!("run as root, or: chmod a+r {shown}"),
            ),
            _ => Unavailable::new(format!("the kernel {shown}: {error}"), INSTALL),
        })?;
        if !vmlinuz::is_image(&content) && !vmlinuz::is_elf(&content) {
            return Err(Unavailable::new(format!("{shown} is no Linux kernel (bzImage or ELF)"), INSTALL));
        }
        let named = || {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix("vmlinuz-").or(name.strip_prefix("vmlinux-")).map(str::to_owned)
        };
        let release = vmlinuz::release(&content).or_else(named).ok_or_else(|| {
            Unavailable::new(
                format!("the kernel {shown} does not tell its release"),
                "name its file vmlinux-RELEASE, with its modules in /lib/modules/RELEASE",
            )
        })?;
        let modules = Path::new("/lib/modules").join(&release);
        if !modules.join("modules.dep").is_file() {
            return Err(Unavailable::new(
                format!("the kernel {shown} has no modules: {}/modules.dep is missing", modules.display()),
                format!("install the package of the kernel whole, or run: depmod {release}"),
            ));
        }
        Ok(Self { path: path.to_owned(), content, release, modules })
    }
}

/// The newest kernel in a folder; any made for clouds is preferred, since it boots faster and has all that is needed.
fn newest(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let kernels = names.filter(|name| name.starts_with("vmlinuz-"));
    kernels.max_by(|a, b| compare(a, b)).map(|name| folder.join(name))
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
    fn the_newest_cloud_kernel_is_taken_then_the_newest() {
        let folder = tempfile::tempdir().expect("a folder");
        let add = |name: &str| fs::write(folder.path().join(name), "").expect("written");
        let name = || newest(folder.path()).and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        assert_eq!(name(), None);
        ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-30-amd64", "config-9"].into_iter().for_each(add);
        assert_eq!(name().as_deref(), Some("vmlinuz-6.1.0-30-amd64"));
        add("vmlinuz-6.1.0-10-cloud-amd64");
        assert_eq!(name().as_deref(), Some("vmlinuz-6.1.0-10-cloud-amd64"));
    }

    #[test]
    fn a_file_that_is_no_kernel_is_named() {
        let error = Kernel::find(Some("/etc/passwd")).expect_err("refused").to_string();
        assert!(error.contains("/etc/passwd is no Linux kernel"), "{error}");
        let error = Kernel::find(Some("/no/such")).expect_err("refused").to_string();
        assert!(error.contains("/no/such") && error.contains("kernel=PATH"), "{error}");
    }
}
