//! `cargo xtask dist`: an archive and a Debian package of a release, with their sums, in `target/dist`. With `--check` the package is
//! installed in a clean Debian and used there.

use crate::{cargo, root, run, third_party};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Debian's name of the machine.
const MACHINE: &str = "amd64";
/// Completions: the shell, and their place in the archive and in the package.
const COMPLETIONS: [(&str, &str, &str); 3] = [
    ("bash", "completions/isotare.bash", "usr/share/bash-completion/completions/isotare"),
    ("zsh", "completions/_isotare", "usr/share/zsh/vendor-completions/_isotare"),
    ("fish", "completions/isotare.fish", "usr/share/fish/vendor_completions.d/isotare.fish"),
];
const TEXTS: [&str; 5] = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-APACHE", "LICENSE-MIT"];
const NOTICE: &str = "LICENSES-THIRD-PARTY.txt";
/// What the check does in a clean system, whose root is `$1`; the package is `$2`. Its mounts end with it.
const CHECK: &str = include_str!("dist_check.sh");

/// Builds both, and checks the package if asked to.
pub fn dist(check: bool) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("releases are made on x86_64");
    }
    run(&mut cargo(&["build", "--release", "--locked", "--package", "isotare", "--package", "xtask"]))?;
    let dist = root().canonicalize().context("find the repository")?.join("target/dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("empty {}", dist.display()))?;
    }
    let archive = archive(&dist)?;
    let package = package(&dist, &archive)?;
    fs::remove_dir_all(dist.join(&archive)).context("remove the archive's tree")?;
    let files = [format!("{archive}.tar.gz"), package.clone()];
    let sums = output(Command::new("sha256sum").args(&files).current_dir(&dist))?;
    write(&dist.join("SHA256SUMS"), &sums)?;
    println!("in {}:\n{}", dist.display(), String::from_utf8_lossy(&sums).trim_end());
    if check { install(&dist.join(package)) } else { Ok(()) }
}

/// The archive's name without its ending. Its tree is left beside it, for the package.
fn archive(dist: &Path) -> Result<String> {
    let name = format!("isotare-{VERSION}-x86_64-linux");
    let tree = dist.join(&name);
    let program = root().join("target/release/isotare");
    copy(&program, &tree.join("isotare"), 0o755)?;
    for (shell, place, _) in COMPLETIONS {
        write(&tree.join(place), &output(Command::new(&program).args(["completions", shell]))?)?;
    }
    fs::create_dir_all(tree.join("man")).context("make the folder of manual pages")?;
    run(Command::new(&program).arg("man").arg(tree.join("man")))?;
    for text in TEXTS {
        copy(&root().join(text), &tree.join(text), 0o644)?;
    }
    write(&tree.join(NOTICE), third_party::notice()?.as_bytes())?;
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=go-w"]);
    // gzip notes no name and no time of what it reads from tar.
    tar.arg(format!("--mtime=@{}", epoch()?)).args(["-czf", &format!("{name}.tar.gz"), &name]);
    run_in(dist, &mut tar)?;
    Ok(name)
}

/// The package's file name, made of the archive's tree.
fn package(dist: &Path, archive: &str) -> Result<String> {
    let (from, tree) = (dist.join(archive), dist.join("deb"));
    copy(&from.join("isotare"), &tree.join("usr/bin/isotare"), 0o755)?;
    for (_, place, installed) in COMPLETIONS {
        copy(&from.join(place), &tree.join(installed), 0o644)?;
    }
    for page in files(&from.join("man"))? {
        let name = page.file_name().context("a page has a name")?;
        packed(&page, &tree.join("usr/share/man/man1").join(name))?;
    }
    let doc = tree.join("usr/share/doc/isotare");
    copy(&from.join("README.md"), &doc.join("README.md"), 0o644)?;
    copy(&from.join("SECURITY.md"), &doc.join("SECURITY.md"), 0o644)?;
    packed(&from.join("CHANGELOG.md"), &doc.join("changelog"))?;
    packed(&from.join(NOTICE), &doc.join(NOTICE))?;
    write(&doc.join("copyright"), COPYRIGHT.as_bytes())?;
    let sums = output(
        Command::new("sh").args(["-c", "find usr -type f | LC_ALL=C sort | xargs md5sum"]).current_dir(&tree),
    )?;
    let installed = output(Command::new("du").args(["-sk", "--apparent-size", "usr"]).current_dir(&tree))?;
    let installed = String::from_utf8_lossy(&installed).split_whitespace().next().unwrap_or("0").to_owned();
    write(&tree.join("DEBIAN/md5sums"), &sums)?;
    write(&tree.join("DEBIAN/control"), control(&libraries(dist, &tree)?, &installed).as_bytes())?;
    let name = format!("isotare_{VERSION}_{MACHINE}.deb");
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "--build", "deb", &name]).env("SOURCE_DATE_EPOCH", epoch()?);
    run_in(dist, &mut build)?;
    fs::remove_dir_all(&tree).context("remove the package's tree")?;
    Ok(name)
}

fn control(libraries: &str, installed: &str) -> String {
    format!(
        "Package: isotare\nVersion: {VERSION}\nArchitecture: {MACHINE}\nMaintainer: The Isotare authors <isotare@users.noreply.github.com>\n\
         Installed-Size: {installed}\nDepends: {libraries}\nRecommends: e2fsprogs, iproute2\n\
         Suggests: bubblewrap, containerd, crun, docker.io, libvirt-daemon, linux-image-cloud-amd64, lxc, mmdebstrap, podman, \
         qemu-system-x86, qemu-utils, runc, sysbench, systemd-container\n\
         Section: utils\nPriority: optional\nHomepage: {}\n\
         Description: measures what containers, sandboxes and VMs cost against native\n \
         Isotare runs the same program natively, in containers, in sandboxes and in\n \
         virtual machines, in random interleaved blocks with the same CPUs and memory,\n \
         and reports paired ratios with intervals, verdicts and a null test.\n \
         .\n \
         It needs none of the runtimes: those that are installed are measured, and\n \
         'isotare doctor' says what the others need.\n",
        env!("CARGO_PKG_REPOSITORY")
    )
}

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: isotare
Source: https://github.com/isotare/isotare

Files: *
Copyright: 2026 The Isotare authors
License: Apache-2.0 or Expat
 The texts are /usr/share/common-licenses/Apache-2.0 and, for Expat:
 .
 Permission is hereby granted, free of charge, to any person obtaining a copy of
 this software and associated documentation files (the \"Software\"), to deal in the
 Software without restriction, including without limitation the rights to use,
 copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
 Software, and to permit persons to whom the Software is furnished to do so,
 subject to the following conditions:
 .
 The above copyright notice and this permission notice shall be included in all
 copies or substantial portions of the Software.
 .
 THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
 INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A
 PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
 HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
 CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE
 OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
Comment: The program holds libpathrs under MPL-2.0 (its text is
 /usr/share/common-licenses/MPL-2.0, its source https://crates.io/crates/pathrs)
 and packages under other licences, which LICENSES-THIRD-PARTY.txt.gz lists.
";

/// The packages of the libraries that the program is linked with, as dpkg-shlibdeps finds them.
fn libraries(dist: &Path, tree: &Path) -> Result<String> {
    let debian = dist.join("debian");
    write(&debian.join("control"), b"Source: isotare\n\nPackage: isotare\nArchitecture: any\n")?;
    let mut find = Command::new("dpkg-shlibdeps");
    let found = output(find.args(["-O", "-xisotare"]).arg(tree.join("usr/bin/isotare")).current_dir(dist))?;
    fs::remove_dir_all(&debian).context("remove the folder debian")?;
    let found = String::from_utf8_lossy(&found).trim().to_owned();
    found
        .strip_prefix("shlibs:Depends=")
        .map(str::to_owned)
        .with_context(|| format!("read what dpkg-shlibdeps says: {found}"))
}

/// Installs the package in a clean system and uses it there.
fn install(package: &Path) -> Result<()> {
    let clean = tempfile::Builder::new().prefix("isotare-dist-").tempdir().context("make a folder")?;
    let system = clean.path().join("root");
    let mirror = "http://deb.debian.org/debian";
    let mut make = Command::new("mmdebstrap");
    make.args(["--quiet", "--variant=minbase", "bookworm"]);
    run(make.arg(&system).arg(mirror))?;
    let mut check = Command::new("unshare");
    check.args([
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-euc",
        CHECK,
        "sh",
    ]);
    run(check.arg(&system).arg(package).arg(VERSION))?;
    println!("dist: {} was installed in a clean Debian 12, used and removed", package.display());
    Ok(())
}

/// Seconds since the Epoch for all times in what is made: those of the last commit, so that it can be made again.
fn epoch() -> Result<String> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(given);
    }
    let told = output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))?;
    Ok(String::from_utf8_lossy(&told).trim().to_owned())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o644))?)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

/// The file compressed, as Debian has its documents; `to` gets the ending `.gz`.
fn packed(from: &Path, to: &Path) -> Result<()> {
    let packed = output(Command::new("gzip").args(["-9nc"]).arg(from))?;
    write(Path::new(&format!("{}.gz", to.display())), &packed)
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if output.status.success() { Ok(output.stdout) } else { bail!("{command:?}: {}", output.status) }
}

fn run_in(folder: &Path, command: &mut Command) -> Result<()> {
    let status = command.current_dir(folder).status().with_context(|| format!("start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?}: {status}") }
}
