//! Tests of references with real archives, which are made here.

use super::*;
use crate::source::digest;
use isotare_core::{Interrupt, Source, with_sources};
use isotare_host::deadline_in;
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

fn soon() -> Deadline {
    deadline_in(Duration::from_secs(30), &Interrupt::default())
}

/// A folder that contains a cache.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn resolve(&self, reference: &str) -> Result<Userland, ImageError> {
        self.resolve_within(reference, "")
    }

    fn resolve_within(&self, reference: &str, limits: &str) -> Result<Userland, ImageError> {
        let cache = Cache::new(self.path("cache")).with_limits(limits.parse().expect(limits));
        resolve(&reference.parse().expect(reference), &cache, &soon())
    }

    fn tree(&self, reference: &str) -> PathBuf {
        match self.resolve(reference).expect(reference).base {
            Base::Tree(tree) => tree,
            other => panic!("{other:?}"),
        }
    }

    /// Makes an OCI image layout with these layers, alternately with gzip and zstd. Returns the digest of its
    /// manifest.
    fn layout(&self, folder: &str, tag: &str, layers: &[Vec<u8>]) -> String {
        let blob = |bytes: &[u8]| {
            let name = digest(bytes);
            self.write(&format!("{folder}/blobs/{}", name.replace(':', "/")), bytes);
            json!({"digest": name, "size": bytes.len()})
        };
        let of = |mut descriptor: serde_json::Value, kind: &str| {
            descriptor["mediaType"] = format!("application/vnd.oci.image.{kind}").into();
            descriptor
        };
        let packed = layers.iter().enumerate().map(|(index, layer)| match index % 2 {
            0 => of(blob(&gzip(layer)), "layer.v1.tar+gzip"),
            _ => of(blob(&zstd::encode_all(&layer[..], 1).expect("packed")), "layer.v1.tar+zstd"),
        });
        let manifest = json!({
            "schemaVersion": 2,
            "config": of(blob(b"{}"), "config.v1+json"),
            "layers": packed.collect::<Vec<_>>(),
        });
        let mut manifest = of(blob(manifest.to_string().as_bytes()), "manifest.v1+json");
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        self.write(&format!("{folder}/index.json"), index.to_string().as_bytes());
        self.write(&format!("{folder}/oci-layout"), br#"{"imageLayoutVersion": "1.0.0"}"#);
        manifest["digest"].as_str().expect("text").to_owned()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut image = Image::default();
    for (path, content) in files {
        image.add(Path::new(path), Source::Bytes(Arc::from(content.as_bytes())), 0o755);
    }
    let mut bytes = Vec::new();
    isotare_host::write_tar(&image, &mut bytes).expect("archived");
    bytes
}

fn folder_tar(folder: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all("", folder).expect("archived");
    builder.into_inner().expect("ended")
}

#[test]
fn archives_are_unpacked_once_and_again_when_they_change() {
    let place = Place::new();
    let plain = tar(&[("/bin/tool", "one")]);
    let zstd = zstd::encode_all(&plain[..], 1).expect("packed");
    for (name, bytes) in [("a.tar", &plain), ("a.tar.gz", &gzip(&plain)), ("a.tar.zst", &zstd)] {
        let reference = format!("tar:{}", place.write(name, bytes).display());
        let found = place.resolve(&reference).expect(name);
        assert_eq!(found.digest, Some(digest(bytes)), "{name}");
        assert_eq!(fs::read_to_string(place.tree(&reference).join("bin/tool")).expect("read"), "one");
        assert_eq!(place.tree(&reference), place.tree(&reference));
    }
    let reference = format!("tar:{}", place.path("a.tar").display());
    let before = place.tree(&reference);
    place.write("a.tar", &tar(&[("/bin/tool", "another")]));
    assert_ne!(place.tree(&reference), before);
    let names = fs::read_dir(place.path("cache")).expect("listed").flatten();
    let partial = names.filter(|entry| entry.file_name().to_string_lossy().contains("partial")).count();
    assert_eq!(partial, 0);
}

#[test]
fn an_oci_layout_is_read_as_folder_and_as_archive_with_its_whiteouts() {
    let place = Place::new();
    let layers = [
        tar(&[("/a", "1"), ("/b/old", "1")]),
        tar(&[("/.wh.a", ""), ("/b/.wh..wh..opq", ""), ("/b/new", "2")]),
    ];
    let manifest = place.layout("layout", "v1", &layers);
    let folder = place.path("layout");
    place.write("layout.tar", &folder_tar(&folder));
    let (folder, archive) = (folder.display(), place.path("layout.tar").display().to_string());
    for reference in [
        format!("oci:{folder}"),
        format!("oci:{folder}:v1"),
        format!("oci:{folder}@{manifest}"),
        format!("oci:{archive}@v1"),
    ] {
        assert_eq!(place.resolve(&reference).expect("resolved").digest.as_ref(), Some(&manifest));
        let tree = place.tree(&reference);
        assert!(!tree.join("a").exists() && !tree.join("b/old").exists(), "{reference}");
        assert_eq!(fs::read_to_string(tree.join("b/new")).expect("read"), "2");
    }
    let error = place
        .resolve(&format!("oci:{folder}:v2"))
        .map_err(|error| with_sources(&error))
        .expect_err("no such tag");
    assert!(error.contains("v2") && error.contains("v1"), "{error}");
}

#[test]
fn a_layer_or_manifest_with_another_digest_is_refused() {
    for which in ["layer", "manifest"] {
        let place = Place::new();
        let manifest = place.layout("layout", "v1", &[tar(&[("/a", "1")])]);
        let victim = match which {
            "layer" => digest(&gzip(&tar(&[("/a", "1")]))),
            _ => manifest,
        };
        let path = place.path("layout/blobs").join(victim.replace(':', "/"));
        let bytes = match which {
            "layer" => gzip(&tar(&[("/a", "2")])),
            _ => fs::read(&path).expect("read").into_iter().chain(*b" ").collect(),
        };
        fs::write(&path, bytes).expect("written");
        let error = place.resolve(&format!("oci:{}", place.path("layout").display()));
        let error = error.map_err(|error| with_sources(&error)).expect_err("forged");
        assert!(error.contains("its content has the hash sha256:"), "{error}");
    }
}

#[test]
fn a_layout_cannot_name_files_outside_itself() {
    let place = Place::new();
    place.write("secret", b"{}");
    for name in ["sha256:../../../secret", "sha512:00", "sha256:ABC"] {
        let index = json!({"schemaVersion": 2, "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": name, "size": 2}
        ]});
        place.write("layout/index.json", index.to_string().as_bytes());
        assert!(place.resolve(&format!("oci:{}", place.path("layout").display())).is_err(), "{name}");
    }
}

#[test]
fn a_docker_archive_is_read_and_its_layers_checked() {
    let place = Place::new();
    let layer = tar(&[("/bin/tool", "docked")]);
    let config = |diff: &str| {
        json!({"architecture": "amd64", "os": "linux", "config": {}, "history": [],
            "rootfs": {"type": "layers", "diff_ids": [diff]}})
        .to_string()
    };
    for (diff, layers, works) in [
        (digest(&layer), "l/layer.tar", true),
        (digest(b"another"), "l/layer.tar", false),
        (digest(&layer), "../secret.tar", false),
    ] {
        let place = Place::new();
        place.write("secret.tar", &layer);
        let config = config(&diff);
        let id = digest(config.as_bytes());
        let name = format!("{}.json", id.trim_start_matches("sha256:"));
        place.write(&format!("saved/{name}"), config.as_bytes());
        place.write("saved/l/layer.tar", &layer);
        let manifest = json!([{"Config": name, "RepoTags": ["x/tool:latest"], "Layers": [layers]}]);
        place.write("saved/manifest.json", manifest.to_string().as_bytes());
        let archive = place.write("saved.tar", &folder_tar(&place.path("saved")));
        let found = place.resolve(&format!("docker:{}@x/tool", archive.display()));
        match works {
            true => {
                assert_eq!(found.expect("resolved").digest, Some(id));
                let tree = place.tree(&format!("docker:{}", archive.display()));
                assert_eq!(fs::read_to_string(tree.join("bin/tool")).expect("read"), "docked");
            }
            false => assert!(found.is_err(), "{layers}"),
        }
    }
    let archive = place.write("no.tar", &tar(&[("/a", "1")]));
    let error = place
        .resolve(&format!("docker:{}", archive.display()))
        .map_err(|error| with_sources(&error))
        .expect_err("no manifest");
    assert!(error.contains("manifest.json"), "{error}");
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let place = Place::new();
    place.write("file", b"x");
    for kind in ["dir", "tar", "oci", "docker"] {
        let error = place.resolve(&format!("{kind}:{}", place.path("nothing").display())).expect_err(kind);
        assert!(error.to_string().contains("nothing"), "{error}");
        assert!(matches!(isotare_core::DriverError::from(error), isotare_core::DriverError::Unavailable(_)));
    }
    assert!(place.resolve(&format!("dir:{}", place.path("file").display())).is_err());
    assert!(place.resolve(&format!("tar:{}", place.0.path().display())).is_err());
}

#[test]
fn files_are_added_to_their_base() {
    let place = Place::new();
    fs::create_dir_all(place.path("tree/usr")).expect("made");
    let mut image = Image::default();
    image.add(Path::new("/usr/x"), Source::Bytes(Arc::from(*b"x")), 0o644);
    image.add(Path::new("/bin/sh"), Source::Host("/bin/sh".into()), 0o755);
    let paths = |userland: &Userland| -> Vec<String> {
        let image = userland.furnish(image.clone()).expect("furnished");
        assert_eq!(image.base, userland.base);
        image.files.iter().map(|file| file.path.display().to_string()).collect()
    };
    assert_eq!(paths(&Userland::default()), ["/usr", "/usr/x", "/bin", "/bin/sh"]);
    let tree = place.resolve(&format!("dir:{}", place.path("tree").display())).expect("resolved");
    assert_eq!(paths(&tree), ["/usr/x", "/bin", "/bin/sh"]);
    assert_eq!(paths(&place.resolve("host").expect("resolved")), ["/usr/x"]);
}

#[test]
fn the_limits_apply_to_all_layers_together() {
    let place = Place::new();
    place.layout("layout", "v1", &[tar(&[("/a", "123456")]), tar(&[("/b", "123456")])]);
    let reference = format!("oci:{}", place.path("layout").display());
    let error = place
        .resolve_within(&reference, "data=11")
        .map_err(|error| with_sources(&error))
        .expect_err("too much");
    for told in ["layout/sha256:", "member b", "12 bytes", "is 11", "--image-limits data="] {
        assert!(error.contains(told), "{error}");
    }
    let left: Vec<_> = fs::read_dir(place.path("cache")).expect("listed").flatten().collect();
    assert!(left.iter().all(|entry| entry.path().extension().is_some_and(|end| end == "lock")), "{left:?}");
    place.resolve_within(&reference, "data=12").expect("just enough");
}

#[test]
fn a_decompression_bomb_is_refused_in_every_format() {
    let place = Place::new();
    let bomb = tar(&[("/a", &"0".repeat(1 << 20))]);
    let inner = place.write("inner/layer.tar", &bomb);
    let nested = folder_tar(inner.parent().expect("a folder"));
    place.write("bomb.tar", &gzip(&bomb));
    place.write("bomb.zst", &zstd::encode_all(&bomb[..], 1).expect("packed"));
    place.write("nested.tar", &nested);
    for reference in ["tar:bomb.tar", "tar:bomb.zst", "docker:nested.tar", "oci:nested.tar"] {
        let (kind, name) = reference.split_once(':').expect("a kind");
        let error = place.resolve_within(&format!("{kind}:{}", place.path(name).display()), "data=100K");
        let error = error.map_err(|error| with_sources(&error)).expect_err(reference);
        assert!(error.contains(name) && error.contains("--image-limits"), "{reference}: {error}");
    }
}

#[test]
fn a_path_that_is_not_a_file_is_refused_without_waiting() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let place = Place::new();
    let fifo = |name: &str| {
        let path = place.write(name, b"");
        fs::remove_file(&path).expect("removed");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        path
    };
    let layout = fifo("layout/index.json").parent().expect("a folder").to_owned();
    let archive =
        place.write("saved.tar", &folder_tar(fifo("saved/manifest.json").parent().expect("a folder")));
    let references = [
        format!("tar:{}", fifo("fifo").display()),
        format!("oci:{}", layout.display()),
        format!("docker:{}", archive.display()),
    ];
    for reference in references {
        let error = place.resolve(&reference).map_err(|error| with_sources(&error)).expect_err(&reference);
        assert!(error.contains("a FIFO, not a regular file"), "{error}");
    }
    // It must not be read completely either.
    fs::remove_file(layout.join("index.json")).expect("removed");
    let index = fs::File::create(layout.join("index.json")).expect("made");
    index.set_len(20 << 30).expect("sized");
    let error = place
        .resolve(&format!("oci:{}", layout.display()))
        .map_err(|error| with_sources(&error))
        .expect_err("too large");
    assert!(error.contains("larger than 16 MiB"), "{error}");
}
