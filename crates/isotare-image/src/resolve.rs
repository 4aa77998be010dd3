//! Resolves a reference: the image is unpacked if necessary, and files can be added to it.

use crate::cache::Cache;
use crate::debian;
use crate::docker::unpack_saved;
use crate::error::{During, ImageError};
use crate::layer::{Kind, unpack};
use crate::limits::Meter;
use crate::oci::unpack_layout;
use crate::place::{Ground, host_shows};
use crate::root::Root;
use crate::source::{Hashed, digest, plain};
use isotare_core::{Base, Deadline, Image, ImageReference};
use isotare_files::Links;
use isotare_host::at;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const THERE: &str = "name an existing file or folder";
const ARCHIVE: &str = "name a tar archive, uncompressed or compressed with gzip or zstd";

/// The base of an environment's instances.
#[derive(Clone, Debug)]
pub struct Userland {
    /// The tree.
    pub base: Base,
    /// The digest of its source, if there is one.
    pub digest: Option<String>,
}

impl Default for Userland {
    fn default() -> Self {
        Self { base: Base::Empty, digest: None }
    }
}

impl Userland {
    /// Whether a program of this path is there already.
    pub fn has_program(&self, path: &Path) -> bool {
        match &self.base {
            Base::Empty => false,
            Base::Host => host_shows(path),
            Base::Tree(tree) => Ground::open(tree).is_ok_and(|ground| ground.has_program(path)),
        }
    }

    /// Puts files on the base, in its own terms.
    pub fn furnish(&self, mut image: Image) -> Result<Image, ImageError> {
        match &self.base {
            Base::Empty => {}
            Base::Host => image.files.retain(|file| !host_shows(&file.path)),
            Base::Tree(tree) => {
                let ground = Ground::open(tree).during(("open image", tree, THERE))?;
                image = ground.place(image.files);
            }
        }
        image.base = self.base.clone();
        Ok(image)
    }
}

/// Prepares an image. Archives and Debian systems are unpacked into the cache once.
pub fn resolve(
    reference: &ImageReference,
    cache: &Cache,
    deadline: &Deadline,
) -> Result<Userland, ImageError> {
    let bare = |base| Ok(Userland { base, digest: None });
    let mut meter = Meter::new(cache.limits(), deadline);
    match reference {
        // The runner, which knows the work and the driver, has chosen before.
        ImageReference::Auto | ImageReference::Agent => bare(Base::Empty),
        ImageReference::Host => bare(Base::Host),
        ImageReference::Dir(path) => {
            let path = path.canonicalize().during(("open image", path, THERE))?;
            match path.is_dir() {
                true => bare(Base::Tree(path)),
                false => Err("no folder").during(("open image", &path, "name a folder, or use tar:PATH")),
            }
        }
        ImageReference::Tar(path) => kept(reference, path, cache, deadline, |path, tree, _| {
            unpack_tar(path, Kind::Tree, tree, &mut meter)
        }),
        ImageReference::Oci { path, reference: wanted } => {
            kept(reference, path, cache, deadline, |path, tree, own| {
                let root = Root::open(tree).during(("open", tree, THERE))?;
                let folder = match path.is_dir() {
                    true => path,
                    false => {
                        unpack_tar(path, Kind::Tree, own, &mut meter)?;
                        own
                    }
                };
                unpack_layout(folder, wanted.as_deref(), &root, &mut meter)
            })
        }
        ImageReference::Docker { path, name } => kept(reference, path, cache, deadline, |path, tree, own| {
            let root = Root::open(tree).during(("open", tree, THERE))?;
            unpack_tar(path, Kind::Tree, own, &mut meter)?;
            unpack_saved((path, own), name.as_deref(), &root, &mut meter)
        }),
        ImageReference::Debian(packages) => {
            let suite = debian::suite();
            let origin = format!("{reference} {suite} {}", std::env::consts::ARCH);
            let kept = cache.tree(&key("debian", &origin), &origin, deadline, |tree, own| {
                let archive = debian::make(&suite, packages, own, deadline)?;
                unpack_tar(&archive, Kind::Tree, tree, &mut meter)
            })?;
            Ok(Userland { base: Base::Tree(kept.tree), digest: Some(kept.digest) })
        }
    }
}

/// The tree of a file or folder, made again when that has changed.
fn kept(
    reference: &ImageReference,
    path: &Path,
    cache: &Cache,
    deadline: &Deadline,
    fill: impl FnOnce(&Path, &Path, &Path) -> Result<String, ImageError>,
) -> Result<Userland, ImageError> {
    let (path, identity) = identify(path).during(("open image", path, THERE))?;
    let origin = format!("{reference} {} {identity}", path.display());
    let kind = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let kept = cache.tree(&key(&kind, &origin), &origin, deadline, |tree, own| fill(&path, tree, own))?;
    Ok(Userland { base: Base::Tree(kept.tree), digest: Some(kept.digest) })
}

/// A path without links, and what changes when its content does. A layout's folder has its images in
/// `index.json`.
fn identify(path: &Path) -> io::Result<(PathBuf, String)> {
    let path = path.canonicalize()?;
    let file = if path.is_dir() { path.join("index.json") } else { path.clone() };
    let found = fs::metadata(&file).map_err(at(file.display()))?;
    let identity =
        format!("{}:{} {} {}.{}", found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec());
    Ok((path, identity))
}

/// A name for the cache: readable, and unlike any other's.
fn key(kind: &str, origin: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let kind: String = kind.chars().map(safe).take(32).collect();
    let digest = digest(origin.as_bytes());
    format!(
        "{}-{}",
        kind.trim_start_matches('.'),
        digest.trim_start_matches("sha256:").get(..32).unwrap_or_default()
    )
}

/// Unpacks an archive and gives the digest of the file.
fn unpack_tar(archive: &Path, kind: Kind, tree: &Path, meter: &mut Meter<'_>) -> Result<String, ImageError> {
    let mut unpacked = || -> io::Result<String> {
        let mut file = Hashed::new(isotare_files::regular(archive, Links::Followed)?, meter.deadline);
        unpack(plain(&mut file)?, kind, &Root::open(tree)?, meter)?;
        file.digest()
    };
    unpacked().during(("unpack", archive, ARCHIVE))
}

#[cfg(test)]
mod tests;
