//! The root file system of labs: a minimal Debian with packages, made by mmdebstrap and kept.

use isotare_core::Unavailable;
use isotare_host::find_program;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose userland the labs have.
const SUITE: &str = "bookworm";
/// Sparse; about a third is used.
const SIZE: &str = "4G";
/// Before packages are installed: an initramfs of the few modules that the labs' disks need, and no
/// documents.
const LEAN: &str = r#"set -e
mkdir -p "$1/etc/initramfs-tools/conf.d"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/lab"
printf 'virtio_pci\nvirtio_blk\next4\n' > "$1/etc/initramfs-tools/modules""#;
/// Afterwards: the second disk has the programs to run, and no service starts that was not asked for.
const QUIET: &str = r#"set -e
echo '/dev/vdb /mnt ext4 ro 0 0' > "$1/etc/fstab"
rm -rf "$1"/etc/systemd/system/*.target.wants"#;

/// A root file system and what boots it.
#[derive(Clone, Debug)]
pub struct Image {
    folder: PathBuf,
}

/// Why labs cannot be used here; `None` if they can.
pub fn missing() -> Option<Unavailable> {
    let unavailable = |reason: &str, remedy: &str| Some(Unavailable::new(reason, remedy));
    if std::env::consts::ARCH != "x86_64" {
        return unavailable("labs are machines with x86-64 processors", "run the tests on one");
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.lines().any(|line| line == format!("VERSION_CODENAME={SUITE}")) {
        return unavailable(
            "what is built here may need a newer libc than labs have",
            "run the tests on Debian 12",
        );
    }
    if !rustix::process::geteuid().is_root() {
        return unavailable("making a root file system needs root", "run the tests as root");
    }
    let needed =
        [("qemu-system-x86_64", "qemu-system-x86"), ("mmdebstrap", "mmdebstrap"), ("mkfs.ext4", "e2fsprogs")];
    let (program, package) = needed.into_iter().find(|(program, _)| find_program(program).is_none())?;
    Some(Unavailable::new(format!("there is no {program}"), format!("install it (Debian: {package})")))
}

impl Image {
    /// The image with these packages from below `cache`; it is made if it is not there.
    pub fn build(packages: &[&str], cache: &Path) -> Result<Self, String> {
        let packages = packages.join(",");
        let mut hasher = DefaultHasher::new();
        (SUITE, SIZE, LEAN, QUIET, &packages).hash(&mut hasher);
        let folder = cache.join(format!("image-{:016x}", hasher.finish()));
        if !folder.is_dir() {
            fs::create_dir_all(cache).map_err(|error| format!("make {}: {error}", cache.display()))?;
            let making =
                tempfile::Builder::new().prefix("making-").tempdir_in(cache).map_err(|e| e.to_string())?;
            make(&packages, making.path())?;
            let made = making.keep();
            fs::rename(&made, &folder).map_err(|error| format!("rename {}: {error}", made.display()))?;
        }
        Ok(Self { folder })
    }

    /// The image in a folder, as if it were made.
    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The root file system, which nobody may write to.
    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// One of `vmlinuz`, `initrd` and `xen`.
    pub(super) fn boot(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn make(packages: &str, folder: &Path) -> Result<(), String> {
    let (tree, log) = (folder.join("tree"), folder.join("log"));
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--variant=minbase", "--aptopt=Acquire::Languages \"none\""]);
    for unread in ["doc", "locale", "man"] {
        mmdebstrap.arg(format!("--dpkgopt=path-exclude=/usr/share/{unread}/*"));
    }
    mmdebstrap.arg(format!("--essential-hook={LEAN}")).arg(format!("--customize-hook={QUIET}"));
    mmdebstrap.arg(format!("--include={packages}")).arg(SUITE).arg(&tree);
    ended(&mut mmdebstrap, &log)?;
    let boot = tree.join("boot");
    for (name, prefix) in [("vmlinuz", "vmlinuz-"), ("initrd", "initrd.img-")] {
        let from = starting_with(&boot, prefix)?;
        fs::copy(&from, folder.join(name)).map_err(|error| format!("copy {}: {error}", from.display()))?;
    }
    if let Ok(xen) = starting_with(&boot, "xen-4.17-amd64.gz") {
        let to = File::create(folder.join("xen")).map_err(|error| format!("make file for Xen: {error}"))?;
        // QEMU's multiboot loader takes no compressed images.
        ended(Command::new("gzip").args(["--decompress", "--stdout"]).arg(xen).stdout(to), &log)?;
    }
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-d"]).arg(&tree).arg(folder.join("disk")).arg(SIZE);
    ended(&mut mkfs, &log)?;
    fs::remove_dir_all(&tree).map_err(|error| format!("remove {}: {error}", tree.display()))
}

/// The first file of a folder whose name begins so.
fn starting_with(folder: &Path, prefix: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("read {}: {error}", folder.display()))?;
    let matching = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    matching.map(|entry| entry.path()).min().ok_or_else(|| format!("no {prefix}… in {}", folder.display()))
}

/// Runs a program to its end; what it says goes into the log, and from there into the error.
pub(super) fn ended(command: &mut Command, log: &Path) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| format!("run {program}: {error}");
    let file = File::options().create(true).append(true).open(log).map_err(failed)?;
    let status = command.stderr(file).status().map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false => {
            let said = fs::read_to_string(log).unwrap_or_default();
            Err(format!("{program}: {status}: {}", super::results::tail(&said, 20)))
        }
    }
}
