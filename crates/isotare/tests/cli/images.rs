//! Tests of every kind of image, in sessions like those of users.

use crate::place::{Place, text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The report of a session that measured a command with this image in all environments.
fn measured(place: &Place, image: &str, environments: &[&str], command: &[&str]) -> Value {
    let mut arguments = vec!["compare", "--format", "json", "--blocks", "6", "--no-null", "--image", image];
    // A machine under emulation takes long to boot beside other work.
    arguments.extend(["--timeout", "600"]);
    environments.iter().for_each(|environment| arguments.extend(["--env", environment]));
    arguments.push("--");
    arguments.extend(command);
    let output = place.isotare(&arguments).env("ISOTARE_CACHE", place.path("cache")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{image}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of a fact of an environment in the ledger.
fn fact<'r>(report: &'r Value, name: &str, environment: &str) -> Option<&'r str> {
    let rows = report["ledger"]["differs"].as_array().unwrap();
    let row = rows.iter().find(|row| row["fact"] == name)?;
    let values = row["values"].as_object().unwrap();
    values.iter().find(|(of, _)| of.starts_with(environment)).and_then(|(_, value)| value.as_str())
}

/// A tree with a shell of this host, and with a file that the host does not have.
fn tree(place: &Place) -> std::path::PathBuf {
    let tree = place.path("tree");
    for program in ["/bin/sh", "/bin/cat"] {
        let (_, image) = isotare_workloads::closure(program).unwrap();
        std::fs::create_dir_all(&tree).unwrap();
        let missing = image.files.into_iter().filter(|file| {
            let path = tree.join(file.path.strip_prefix("/").unwrap());
            std::fs::symlink_metadata(path).is_err()
        });
        let image = isotare_core::Image { base: isotare_core::Base::Empty, files: missing.collect() };
        isotare_host::lay_out(&image, &tree).unwrap();
    }
    std::fs::write(tree.join("marker"), "of the tree").unwrap();
    tree
}

pub fn can_chroot() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn every_kind_of_archive_is_one_image_for_every_driver() {
    if !can_chroot() {
        return;
    }
    let place = Place::new();
    let tree = tree(&place);
    let archive = place.path("tree.tar");
    let packed = Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&archive).arg(".").status().unwrap();
    assert!(packed.success());
    // The host has /etc/os-release; the tree does not.
    let script = "test -e /etc/os-release || test \"$(cat /marker)\" = 'of the tree'";
    let command = ["/bin/sh", "-c", script];
    for kind in ["dir", "tar"] {
        let path = if kind == "dir" { &tree } else { &archive };
        let image = format!("{kind}:{}", path.display());
        let report = measured(&place, &image, &["chroot", "container"], &command);
        assert_eq!(fact(&report, "image", "native"), Some("the host's own files"));
        for environment in ["chroot", "container"] {
            assert_eq!(fact(&report, "image", environment), Some(image.as_str()), "{}", report["ledger"]);
            assert_eq!(fact(&report, "image.digest", environment).is_some(), kind == "tar");
        }
    }
    assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
}

#[test]
fn a_virtual_machine_gets_a_tree_in_its_memory() {
    if !Path::new("/usr/bin/qemu-system-x86_64").exists() || !can_chroot() {
        return;
    }
    let place = Place::new();
    let image = format!("dir:{}", tree(&place).display());
    let report = measured(&place, &image, &["qemu:accel=tcg"], &["/bin/sh", "-c", "true"]);
    assert_eq!(fact(&report, "image", "qemu"), Some(image.as_str()));
}

#[test]
fn a_bad_image_is_refused_before_anything_runs() {
    let place = Place::new();
    let output = place.run(&["compare", "--env", "chroot:image=ubuntu", "--", "true"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("debian[:PACKAGE+PACKAGE]"), "{}", text(&output));
    let file = place.write(
        "x.toml",
        "environments = [\"native\", \"container\"]\nimage = \"debian:a b\"\n[[workload]]\nname = \"cpu\"\n",
    );
    let output = place.run(&["plan", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("debian:a b") && text(&output).contains("x.toml:2"), "{}", text(&output));
}

#[test]
fn an_image_that_is_not_there_is_unavailable_with_its_remedy() {
    if !can_chroot() {
        return;
    }
    let place = Place::new();
    let (_, report) = place.json(&[
        "compare",
        "--format",
        "json",
        "--blocks",
        "6",
        "--env",
        "chroot:image=tar:/no/such.tar",
        "-w",
        "cpu:events=100",
    ]);
    let told = report["environments"].to_string();
    assert!(told.contains("/no/such.tar") && told.contains("name an existing file"), "{told}");
}
