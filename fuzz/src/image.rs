//! Images: archives, layers, layouts. Whatever they hold, nothing outside their tree changes.

use arbitrary::Arbitrary;
use isotare_core::{ImageReference, Interrupt};
use isotare_host::deadline_in;
use isotare_image::{Cache, Limits, resolve};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::time::Duration;

const BLOCK: usize = 512;
const SECRET: &str = "not of the image";

/// A member of an archive, with names that meet one another.
#[derive(Arbitrary, Debug)]
pub struct Member {
    path: Names,
    sort: Sort,
    mode: u16,
}

#[derive(Arbitrary, Debug)]
enum Sort {
    File(u8),
    Folder,
    Symbolic(Names),
    Hard(Names),
    Fifo,
    Device,
}

#[derive(Arbitrary, Debug)]
struct Names {
    absolute: bool,
    names: Vec<Name>,
}

#[derive(Arbitrary, Debug)]
enum Name {
    A,
    B,
    C,
    Up,
    Here,
    Outside,
    WhiteoutA,
    WhiteoutB,
    WhiteoutUp,
    Opaque,
}

impl Names {
    fn text(&self) -> String {
        let names: Vec<&str> = self.names.iter().take(7).map(Name::text).collect();
        format!("{}{}", if self.absolute { "/" } else { "" }, names.join("/"))
    }
}

impl Name {
    fn text(&self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::Up => "..",
            Self::Here => ".",
            Self::Outside => "outside",
            Self::WhiteoutA => ".wh.a",
            Self::WhiteoutB => ".wh.b",
            Self::WhiteoutUp => ".wh...",
            Self::Opaque => ".wh..wh..opq",
        }
    }
}

impl Member {
    fn write(&self, archive: &mut Vec<u8>) {
        let (kind, link, data) = match &self.sort {
            Sort::File(length) => (b'0', String::new(), vec![b'x'; usize::from(*length)]),
            Sort::Folder => (b'5', String::new(), Vec::new()),
            Sort::Symbolic(target) => (b'2', target.text(), Vec::new()),
            Sort::Hard(target) => (b'1', target.text(), Vec::new()),
            Sort::Fifo => (b'6', String::new(), Vec::new()),
            Sort::Device => (b'4', String::new(), Vec::new()),
        };
        append(archive, (&self.path.text(), kind, &link), self.mode & 0o7777, &data);
    }
}

/// Appends a member: its name, its kind and where it leads, its mode and what it holds.
fn append(archive: &mut Vec<u8>, (name, kind, link): (&str, u8, &str), mode: u16, data: &[u8]) {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000001");
    put(116, "0000001");
    put(124, &format!("{:011o}", data.len()));
    put(136, "00000000001");
    put(157, link);
    put(257, "ustar\x0000");
    header[156] = kind;
    seal(&mut header);
    archive.extend(header);
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// Writes the sum that a header must have: tar(5).
fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Any archive whose headers have the right sums.
pub fn tar(bytes: &[u8]) {
    let bytes = sealed(bytes);
    checked(|folder| {
        let path = folder.join("input");
        fs::write(&path, &bytes).expect("written");
        ImageReference::Tar(path)
    });
}

/// Layers over one another, in an OCI layout that is right.
pub fn layers(layers: &[Vec<Member>]) {
    checked(|folder| {
        let path = folder.join("input");
        let descriptors: Vec<_> = layers
            .iter()
            .take(4)
            .map(|members| {
                let mut archive = Vec::new();
                members.iter().take(32).for_each(|member| member.write(&mut archive));
                archive.resize(archive.len() + 2 * BLOCK, 0);
                blob(&path, "application/vnd.oci.image.layer.v1.tar", &archive)
            })
            .collect();
        let config = blob(&path, "application/vnd.oci.image.config.v1+json", b"{}");
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": descriptors }).to_string();
        let manifest = blob(&path, "application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
        index(&path, &manifest);
        ImageReference::Oci { path, reference: None }
    });
}

/// A layout whose index, nested index or manifest is anything.
pub fn layout(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    checked(|folder| {
        let path = folder.join("input");
        blob(&path, "", b"{}");
        match which % 3 {
            0 => fs::write(path.join("index.json"), bytes).expect("written"),
            1 => index(&path, &blob(&path, "application/vnd.oci.image.manifest.v1+json", bytes)),
            _ => index(&path, &blob(&path, "application/vnd.oci.image.index.v1+json", bytes)),
        }
        ImageReference::Oci { path, reference: None }
    });
}

/// An archive of `docker save` whose manifest or configuration is anything.
pub fn saved(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let layer = [0; 2 * BLOCK];
    let right = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))] },
    });
    let config = if which % 2 == 0 { right.to_string().into_bytes() } else { bytes.to_vec() };
    let name = format!("{}.json", hex(&config));
    let manifest = match which % 2 {
        0 => bytes.to_vec(),
        _ => {
            json!([{ "Config": name, "RepoTags": ["a:b"], "Layers": ["layer.tar"] }]).to_string().into_bytes()
        }
    };
    let mut archive = Vec::new();
    for (name, data) in [("manifest.json", &manifest[..]), (&name, &config), ("layer.tar", &layer)] {
        append(&mut archive, (name, b'0', ""), 0o644, data);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    checked(|folder| {
        let path = folder.join("input");
        fs::write(&path, &archive).expect("written");
        ImageReference::Docker { path, name: None }
    });
}

/// Unpacks what `prepare` makes in an empty folder, and looks at what lies beside the tree.
fn checked(prepare: impl FnOnce(&Path) -> ImageReference) {
    let folder = tempfile::Builder::new().tempdir_in("/dev/shm").expect("a folder in memory");
    let path = folder.path();
    let outside = path.join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("a"), SECRET).expect("written");
    let before = state(path);
    let reference = prepare(path);
    let limits: Limits = "data=1M,entries=2000,names=1M,header=64K,depth=64".parse().expect("limits");
    let cache = Cache::new(path.join("cache")).with_limits(limits);
    let unpacked = resolve(&reference, &cache, &deadline_in(Duration::from_secs(10), &Interrupt::default()));
    if let Err(error) = &unpacked {
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(state(path), before);
    assert_eq!(fs::read(outside.join("a")).expect("there"), SECRET.as_bytes());
    // As isotare removes it: the tree may be deep.
    isotare_files::remove_tree(path).expect("removed");
}

/// What is outside, but for the input and the cache.
fn state(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in [folder, &folder.join("outside")] {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if !matches!(name.as_str(), "input" | "cache" | "outside") {
                let meta = entry.path().symlink_metadata().expect("its metadata");
                found.push(format!("{name} {:?} {:?} {}", meta.permissions(), meta.modified(), meta.len()));
            }
        }
    }
    found
}

/// The bytes with the right sum in every header, where a reader would look for one.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = bytes.get_mut(at..at + BLOCK) {
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        seal(header);
        let size = header[124..136].iter().filter(|byte| (b'0'..=b'7').contains(byte));
        let size =
            size.fold(0_usize, |size, &byte| size.saturating_mul(8).saturating_add(usize::from(byte - b'0')));
        let Some(next) = size.checked_next_multiple_of(BLOCK).and_then(|size| at.checked_add(BLOCK + size))
        else {
            break;
        };
        at = next;
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a blob of a layout, and gives its descriptor.
fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> serde_json::Value {
    let folder = layout.join("blobs/sha256");
    fs::create_dir_all(&folder).expect("made");
    let hex = hex(bytes);
    fs::write(folder.join(&hex), bytes).expect("written");
    json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() })
}

fn index(layout: &Path, manifest: &serde_json::Value) {
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string();
    fs::write(layout.join("index.json"), index).expect("written");
}
