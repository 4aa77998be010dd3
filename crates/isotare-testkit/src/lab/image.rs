//! The root file system of labs: a minimal Debian with further packages, made by mmdebstrap and kept in a
//! cache.

use isotare_core::Unavailable;
use isotare_host::find_program;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose userland the labs have.
const SUITE: &str = "bookworm";
/// The file is sparse; about a third of it is used.
const SIZE: &str = "4G";
/// Runs before packages are installed: the initramfs gets only the modules that the disks of labs need, and
/// documentation is not installed.
const LEAN: &str = r#"set -e
mkdir -p "$1/etc/initramfs-tools/conf.d"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/lab"
printf 'virtio_pci\nvirtio_blk\next4\n' > "$1/etc/initramfs-tools/modules""#;
/// Runs afterwards: the second disk with the programs is mounted, and no service is started automatically.
const QUIET: &str = r#"set -e
echo '/dev/vdb /mnt ext4 ro 0 0' > "$1/etc/fstab"
rm -rf "$1"/etc/systemd/system/*.target.wants"#;

/// A root file system, and the files that boot it.
#[derive(Clone, Debug)]
pub struct Image {
    folder: PathBuf,
}

/// The reason why labs cannot be used here; `None`: they can.
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
    /// The image with these packages. It is below `cache`, and is made if it does not exist.
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

    /// The root file system. It is read-only.
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
        // QEMU's multiboot loader does not accept compressed images.
        ended(Command::new("gzip").args(["--decompress", "--stdout"]).arg(xen).stdout(to), &log)?;
    }
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-d"]).arg(&tree).arg(folder.join("disk")).arg(SIZE);
    ended(&mut mkfs, &log)?;
    fs::remove_dir_all(&tree).map_err(|error| format!("remove {}: {error}", tree.display()))
}

/// The first file of a folder whose name has this prefix.
fn starting_with(folder: &Path, prefix: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("read {}: {error}", folder.display()))?;
    let matching = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    matching.map(|entry| entry.path()).min().ok_or_else(|| format!("no {prefix}… in {}", folder.display()))
}

/// Runs a program to its end. Its output goes into the log; the error quotes the log.
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
