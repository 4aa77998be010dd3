//! OCI image layouts: the image specification's `image-layout.md`. Everything read is checked against its
//! digest.

use crate::error::{During, ImageError};
use crate::layer::{Kind, unpack};
use crate::limits::Meter;
use crate::root::Root;
use crate::source::{Hashed, digest, plain, read_text, regular};
use isotare_host::at;
use oci_spec::OciSpecError;
use oci_spec::image::{Arch, Descriptor, ImageIndex, ImageManifest, MediaType, Os};
use std::io;
use std::path::{Path, PathBuf};

const REMEDY: &str = "name a complete OCI image layout, such as skopeo writes with oci:PATH:TAG";
/// Indexes of indexes that are followed.
const DEEPEST: u32 = 4;
const NAME: &str = "org.opencontainers.image.ref.name";

/// Unpacks an image of the layout below `folder` and gives the digest of its manifest.
pub(crate) fn unpack_layout(
    folder: &Path,
    reference: Option<&str>,
    tree: &Root,
    meter: &mut Meter<'_>,
) -> Result<String, ImageError> {
    let reading = ("read OCI image layout", folder, REMEDY);
    let layout = Layout { root: Root::open(folder).during(reading)? };
    let index: ImageIndex = layout.index().during(reading)?;
    let chosen = choose(&index, reference).during(reading)?.clone();
    let manifest = layout.manifest(chosen, DEEPEST).during(reading)?;
    for layer in manifest.1.layers() {
        layout.unpack(layer, tree, meter).during((
            "unpack layer",
            &folder.join(layer.digest().to_string()),
            REMEDY,
        ))?;
    }
    Ok(manifest.0)
}

struct Layout {
    root: Root,
}

impl Layout {
    fn index(&self) -> io::Result<ImageIndex> {
        let bytes = self.text(Path::new("index.json"))?;
        ImageIndex::from_reader(&bytes[..]).map_err(|error| at("index.json")(io::Error::other(error)))
    }

    fn text(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular(&self.root, path).and_then(|file| read_text(file).map_err(at(path.display())))
    }

    /// Bytes of a descriptor's blob, which are what its digest says.
    fn blob(&self, descriptor: &Descriptor) -> io::Result<Vec<u8>> {
        let bytes = self.text(&blob_path(descriptor)?)?;
        let found = digest(&bytes);
        match found == descriptor.digest().to_string() {
            true => Ok(bytes),
            false => Err(mismatch(&found, descriptor)),
        }
    }

    /// The manifest that a descriptor leads to, with its digest.
    fn manifest(&self, descriptor: Descriptor, depth: u32) -> io::Result<(String, ImageManifest)> {
        let bytes = self.blob(&descriptor)?;
        let said = |error: OciSpecError| at(descriptor.digest())(io::Error::other(error));
        if *descriptor.media_type() != MediaType::ImageIndex {
            let manifest = ImageManifest::from_reader(&bytes[..]).map_err(said)?;
            return Ok((descriptor.digest().to_string(), manifest));
        }
        if depth == 0 {
            return Err(io::Error::other("indexes of indexes without end"));
        }
        let index = ImageIndex::from_reader(&bytes[..]).map_err(said)?;
        self.manifest(choose(&index, None).map_err(io::Error::other)?.clone(), depth - 1)
    }

    fn unpack(&self, layer: &Descriptor, tree: &Root, meter: &mut Meter<'_>) -> io::Result<()> {
        let blob = regular(&self.root, &blob_path(layer)?)?;
        let mut packed = Hashed::new(blob, meter.deadline);
        unpack(plain(&mut packed)?, Kind::Layer, tree, meter)?;
        let found = packed.digest()?;
        match found == layer.digest().to_string() {
            true => Ok(()),
            false => Err(mismatch(&found, layer)),
        }
    }
}

fn mismatch(found: &str, descriptor: &Descriptor) -> io::Error {
    io::Error::other(format!("its content has the hash {found}, not {}", descriptor.digest()))
}

fn blob_path(descriptor: &Descriptor) -> io::Result<PathBuf> {
    let digest = descriptor.digest().to_string();
    match digest.split_once(':') {
        Some(("sha256", hex)) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Path::new("blobs/sha256").join(hex))
        }
        _ => Err(io::Error::other(format!("{digest} is not a SHA-256"))),
    }
}

/// The manifest asked for, or the only one for this machine.
fn choose<'i>(index: &'i ImageIndex, reference: Option<&str>) -> Result<&'i Descriptor, String> {
    let name =
        |descriptor: &Descriptor| descriptor.annotations().as_ref().and_then(|all| all.get(NAME).cloned());
    let named = |descriptor: &&Descriptor| {
        reference.is_none_or(|wanted| {
            name(descriptor).as_deref() == Some(wanted) || descriptor.digest().to_string() == wanted
        })
    };
    let ours = |descriptor: &&Descriptor| {
        descriptor.platform().as_ref().is_none_or(|platform| {
            *platform.architecture() == Arch::default() && *platform.os() == Os::default()
        })
    };
    let found: Vec<&Descriptor> = index.manifests().iter().filter(named).filter(ours).collect();
    match (found.as_slice(), reference) {
        ([only], _) => Ok(only),
        // One image under several names.
        ([first, rest @ ..], _) if rest.iter().all(|other| other.digest() == first.digest()) => Ok(first),
        (found, _) => {
            let there: Vec<String> = index
                .manifests()
                .iter()
                .map(|descriptor| name(descriptor).unwrap_or_else(|| descriptor.digest().to_string()))
                .collect();
            let wanted = reference.map_or_else(String::new, |wanted| format!(" of the name {wanted}"));
            Err(format!(
                "{} images{wanted} for this machine; the layout contains: {}; choose one with @REF",
                found.len(),
                there.join(", ")
            ))
        }
    }
}
