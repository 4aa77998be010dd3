//! Archives of `docker save`: `manifest.json` lists images with their configuration and layers. The
//! configuration's name is its digest, and it holds those of the unpacked layers.

use crate::error::{During, ImageError};
use crate::layer::{Kind, unpack};
use crate::limits::Meter;
use crate::root::Root;
use crate::source::{Hashed, digest, plain, read_text, regular};
use oci_spec::image::ImageConfiguration;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

const REMEDY: &str = "name an archive that was written by 'docker save IMAGE'";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: PathBuf,
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

/// Unpacks an image of the unpacked archive in `folder` and gives its identity, the digest of its
/// configuration. `archive` is what messages name.
pub(crate) fn unpack_saved(
    (archive, folder): (&Path, &Path),
    name: Option<&str>,
    tree: &Root,
    meter: &mut Meter<'_>,
) -> Result<String, ImageError> {
    let reading = ("read docker archive", archive, REMEDY);
    let root = Root::open(folder).during(reading)?;
    let open = |path: &Path| regular(&root, path);
    let images: Vec<Saved> = open(Path::new("manifest.json"))
        .and_then(read_text)
        .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
        .during(reading)?;
    let image = choose(&images, name).during(reading)?;
    let config = open(&image.config).and_then(read_text).during(reading)?;
    let id = digest(&config);
    let stem = image.config.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if id != format!("sha256:{stem}") {
        return Err(format!("the configuration {stem} has the digest {id}")).during(reading);
    }
    let config = ImageConfiguration::from_reader(&config[..]).during(reading)?;
    let digests = config.rootfs().diff_ids();
    if digests.len() != image.layers.len() {
        return Err(format!("{} layers, {} digests", image.layers.len(), digests.len())).during(reading);
    }
    for (layer, expected) in image.layers.iter().zip(digests) {
        let mut unpacked = || -> io::Result<()> {
            let mut content = Hashed::new(plain(open(layer)?)?, meter.deadline);
            unpack(&mut content, Kind::Layer, tree, meter)?;
            let found = content.digest()?;
            match found == *expected {
                true => Ok(()),
                false => Err(io::Error::other(format!("its content has the hash {found}, not {expected}"))),
            }
        };
        unpacked().during(("unpack layer", &archive.join(layer), REMEDY))?;
    }
    Ok(id)
}

fn choose<'i>(images: &'i [Saved], name: Option<&str>) -> Result<&'i Saved, String> {
    let tags = |image: &Saved| image.repo_tags.clone().unwrap_or_default();
    let wanted = |image: &&Saved| name.is_none_or(|name| tags(image).iter().any(|tag| is_named(tag, name)));
    match images.iter().filter(wanted).collect::<Vec<_>>().as_slice() {
        [only] => Ok(only),
        found => {
            let there: Vec<String> = images.iter().flat_map(tags).collect();
            Err(format!(
                "{} images match; the archive contains: {}; choose one with @NAME",
                found.len(),
                there.join(", ")
            ))
        }
    }
}

/// `busybox` means `busybox:latest`, as in Docker.
fn is_named(tag: &str, name: &str) -> bool {
    tag == name || tag.strip_suffix(":latest") == Some(name)
}
