//! The libraries that an ELF file needs, and where `ld.so` finds them.

use super::cache::LibraryCache;
use goblin::elf::Elf;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders that `ld.so` looks into last. Debian's come first, then those of other distributions.
const DEFAULT_FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// The parts of an ELF file that are needed here.
pub struct Binary {
    /// Its ELF interpreter.
    pub interpreter: Option<PathBuf>,
    /// Names of needed libraries.
    pub needed: Vec<String>,
    /// `DT_RPATH`, which also holds for the libraries below; empty where there is a `DT_RUNPATH`.
    pub rpath: Vec<PathBuf>,
    runpath: Option<Vec<PathBuf>>,
    kind: Kind,
}

/// What has to be the same in a program and its libraries.
#[derive(PartialEq, Eq)]
struct Kind {
    is_64: bool,
    machine: u16,
}

impl Binary {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("read {}: {error}", path.display());
        let bytes = fs::read(path).map_err(|e| failed(&e))?;
        let elf = Elf::parse(&bytes).map_err(|e| failed(&e))?;
        let origin = fs::canonicalize(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        let origin = origin.unwrap_or_else(|| PathBuf::from("/"));
        let expand = |paths: &[&str]| -> Vec<PathBuf> {
            let folders = paths.iter().flat_map(|path| path.split(':')).filter(|folder| !folder.is_empty());
            folders.map(|folder| expand_origin(folder, &origin)).collect()
        };
        let runpath = (!elf.runpaths.is_empty()).then(|| expand(&elf.runpaths));
        Ok(Self {
            interpreter: elf.interpreter.map(PathBuf::from),
            needed: elf.libraries.iter().map(|&name| name.to_owned()).collect(),
            rpath: if runpath.is_some() { Vec::new() } else { expand(&elf.rpaths) },
            runpath,
            kind: Kind { is_64: elf.is_64, machine: elf.header.e_machine },
        })
    }
}

fn expand_origin(folder: &str, origin: &Path) -> PathBuf {
    let origin = origin.to_string_lossy();
    PathBuf::from(folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
}

/// The places to look for libraries.
pub struct Search {
    cache: LibraryCache,
}

impl Search {
    /// A search with this cache.
    pub fn new(cache: LibraryCache) -> Self {
        Self { cache }
    }

    /// Paths of a library that `user` needs, given the run paths inherited from above and its own. Usually
    /// one; where the cache has builds for several levels of CPU features, all of them, because the instance
    /// chooses one of them.
    pub fn find(&self, name: &str, user: &Binary, rpath: &[PathBuf]) -> Vec<PathBuf> {
        let fits = |path: &PathBuf| kind(path).is_some_and(|kind| kind == user.kind);
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(fits).into_iter().collect();
        }
        let in_folders = |folders: &[PathBuf]| folders.iter().map(|folder| folder.join(name)).find(fits);
        let by_path = match &user.runpath {
            Some(runpath) => in_folders(runpath),
            None => in_folders(rpath),
        };
        if let Some(path) = by_path {
            return vec![path];
        }
        let cached: Vec<PathBuf> = self.cache.paths(name).iter().filter(|path| fits(path)).cloned().collect();
        if !cached.is_empty() {
            return cached;
        }
        let defaults = DEFAULT_FOLDERS.map(PathBuf::from);
        in_folders(&defaults).into_iter().collect()
    }
}

/// Class and machine from the first bytes of a file; `None` if it is not a little-endian ELF file.
fn kind(path: &Path) -> Option<Kind> {
    let mut header = [0; 20];
    fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
    let is_elf = header.starts_with(b"\x7fELF") && header[5] == 1;
    is_elf.then(|| Kind { is_64: header[4] == 2, machine: u16::from_le_bytes([header[18], header[19]]) })
}
