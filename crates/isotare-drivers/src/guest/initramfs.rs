//! Packs image, agent and kernel modules into an uncompressed `newc` archive.
//!
//! It is not compressed, because under software emulation, unpacking in the guest takes longer than reading
//! in QEMU.

use super::kernel::Kernel;
use super::modules::ModuleIndex;
use cpio::newc::{Builder, ModeFileType, trailer};
use isotare_core::{
    AGENT_PATH, Base, DATA_DIR, Deadline, DriverError, Image, ImageFile, Source, Unavailable,
};
use isotare_host::{at, find_program, output_up_to};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where the agent reads which modules to load.
const MODULE_LIST: &str = "/isotare/modules";
/// Where they are.
const MODULE_DIR: &str = "/isotare/ko";

/// The largest module that is unpacked, bytes.
const LARGEST_MODULE: u64 = 256 << 20;

/// The archive's size is a multiple of this.
///
/// QEMU puts the initramfs at the very top of the guest's memory, rounded down to a page, and the microvm's
/// firmware puts the ACPI tables at the very top as well: an archive that fills its last page overwrites
/// them, and the guest hangs without a message. An archive of whole pages leaves exactly one page free. The
/// kernel skips the zeros.
const GRANULARITY: usize = 4096;

/// The image with everything that is needed to boot it.
pub(crate) fn bootable(
    image: &Image,
    agent: &Path,
    kernel: &Kernel,
    modules: &[&str],
    deadline: &Deadline,
) -> Result<Image, Unavailable> {
    let mut image = image.clone();
    for folder in ["/dev", "/proc", "/sys", "/run", "/tmp", MODULE_DIR, DATA_DIR] {
        image.add(Path::new(folder), Source::Folder, 0o755);
    }
    image.add(Path::new(AGENT_PATH), Source::Host(agent.to_owned()), 0o755);
    image.add(Path::new("/init"), Source::Link(AGENT_PATH.into()), 0o777);
    let read = |name: &str| {
        let path = kernel.modules.join(name);
        fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))
    };
    let [dep, builtin, softdep] = ["modules.dep", "modules.builtin", "modules.softdep"].map(read);
    // Not every distribution has soft dependencies.
    let index = ModuleIndex::parse(&dep?, &builtin?, &softdep.unwrap_or_default());
    let files = index.load_order(modules).map_err(|missing| {
        Unavailable::new(
            format!("{}: {missing}", kernel.path.display()),
            "choose a kernel that has it, with kernel=PATH (Debian's linux-image-amd64 has more modules than \
             its cloud kernel)",
        )
    })?;
    let mut list = String::new();
    for file in files {
        let name = file.rsplit('/').next().unwrap_or(file);
        let name = name.split(".ko").next().unwrap_or(name);
        let path = format!("{MODULE_DIR}/{name}.ko");
        let content = read_module(&kernel.modules.join(file), deadline)?;
        image.add(Path::new(&path), Source::Bytes(content.into()), 0o644);
        list.push_str(&path);
        list.push('\n');
    }
    image.add(Path::new(MODULE_LIST), Source::Bytes(list.into_bytes().into()), 0o644);
    Ok(image)
}

/// A module's content; unpacked where the distribution packs them.
fn read_module(path: &Path, deadline: &Deadline) -> Result<Vec<u8>, Unavailable> {
    let program = match path.extension().and_then(|ending| ending.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).map_err(|error| unreadable(path, &error)),
    };
    let shown = path.display().to_string();
    let unpacker = find_program(program).ok_or_else(|| {
        Unavailable::new(
            format!("{shown} is compressed, and the program {program} is not installed"),
            format!("install {program}"),
        )
    })?;
    match output_up_to(LARGEST_MODULE, &unpacker, &["-dc", &shown], deadline) {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(unreadable(path, &String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Unavailable {
    Unavailable::new(
        format!("the kernel's module file {}: {error}", path.display()),
        "install the complete package of the kernel",
    )
}

/// The files of an image's base. They fill the guest's memory, of which the kernel gives an initramfs half.
pub(crate) fn base(base: &Base, memory: u64) -> Result<Vec<ImageFile>, DriverError> {
    let tree = match base {
        Base::Empty => return Ok(Vec::new()),
        Base::Tree(tree) => tree,
        Base::Host => {
            let remedy = "choose an image with a file tree, such as debian or dir:PATH";
            return Err(Unavailable::new("the host's userland does not fit into an initramfs", remedy).into());
        }
    };
    let mut files = Vec::new();
    let size = list(tree, Path::new("/"), &mut files)
        .map_err(|error| DriverError::failed("read image", tree.display().to_string(), error))?;
    match size > memory / 2 {
        false => Ok(files),
        true => Err(Unavailable::new(
            format!("an image of {} MiB does not fit into a guest of {} MiB", size >> 20, memory >> 20),
            format!(
                "give it {} MiB or more (with the setting memory, or the budget), or use a smaller image",
                (size >> 19) + 128
            ),
        )
        .into()),
    }
}

/// Adds what is below a folder of the tree, parents first, and gives its size. Only files, folders and links
/// are needed.
fn list(tree: &Path, inside: &Path, files: &mut Vec<ImageFile>) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(tree.join(inside.strip_prefix("/").unwrap_or(inside)))? {
        let entry = entry?;
        let (path, found) = (inside.join(entry.file_name()), entry.metadata()?);
        let source = match found.file_type() {
            kind if kind.is_dir() => Source::Folder,
            kind if kind.is_symlink() => Source::Link(fs::read_link(entry.path())?),
            kind if kind.is_file() => Source::Host(entry.path()),
            _ => continue,
        };
        let is_folder = matches!(source, Source::Folder);
        size += if is_folder { 0 } else { found.len() };
        files.push(ImageFile { path: path.clone(), source, mode: found.mode() & 0o7777 });
        if is_folder {
            size += list(tree, &path, files)?;
        }
    }
    Ok(size)
}

/// Packs an archive of the base's files and the image's own, which replace them. They belong to root and have
/// no times, so that equal images are equal bytes.
pub(crate) fn pack(base: Vec<ImageFile>, image: &Image) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (file, inode) in base.iter().chain(&image.files).zip(1..) {
        let (kind, content) = match &file.source {
            Source::Folder => (ModeFileType::Directory, Vec::new()),
            Source::Link(target) => (ModeFileType::Symlink, target.as_os_str().as_bytes().to_vec()),
            Source::Bytes(bytes) => (ModeFileType::Regular, bytes.to_vec()),
            Source::Host(path) => (ModeFileType::Regular, fs::read(path).map_err(at(path.display()))?),
        };
        let name = file.path.strip_prefix("/").unwrap_or(&file.path);
        let name = name.to_str().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidFilename,
                format!("{} is not valid UTF-8", file.path.display()),
            )
        })?;
        let size = u32::try_from(content.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let builder = Builder::new(name).ino(inode).nlink(1).mode(file.mode).set_mode_file_type(kind);
        let mut writer = builder.write(&mut archive, size);
        writer.write_all(&content)?;
        writer.finish()?;
    }
    trailer(&mut archive)?;
    archive.resize(archive.len().next_multiple_of(GRANULARITY), 0);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;
    use std::sync::Arc;

    #[test]
    fn an_archive_is_valid_and_has_a_size_of_whole_pages() {
        let mut image = Image::default();
        image.add(Path::new("/bin/tool"), Source::Bytes(Arc::from(*b"#!x")), 0o755);
        image.add(Path::new("/bin/alias"), Source::Link("tool".into()), 0o777);
        let archive = pack(Vec::new(), &image).expect("packed");
        assert_eq!(archive.len() % GRANULARITY, 0);
        let (mut rest, mut seen) = (&archive[..], Vec::new());
        loop {
            let reader = Reader::new(rest).expect("an entry");
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = Vec::new();
            rest = reader.to_writer(&mut content).expect("read");
            seen.push((name, mode, content));
        }
        let expected: [(&str, u32, &[u8]); 3] =
            [("bin", 0o40_755, b""), ("bin/tool", 0o100_755, b"#!x"), ("bin/alias", 0o120_777, b"tool")];
        assert_eq!(seen, expected.map(|(name, mode, content)| (name.to_owned(), mode, content.to_vec())));
    }
}
