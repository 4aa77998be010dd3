//! Tests of closures of programs of this machine. They are compared with the output of `ldd`, and run in a
//! root that contains nothing else, if this is allowed.

use super::*;
use std::process::Command;

fn unpack(image: &Image, root: &Path) {
    for file in &image.files {
        let path = root.join(file.path.strip_prefix("/").expect("absolute"));
        match &file.source {
            Source::Folder => fs::create_dir(&path).expect("folder"),
            Source::Link(target) => std::os::unix::fs::symlink(target, &path).expect("link"),
            Source::Host(host) => drop(fs::copy(host, &path).expect("copies")),
            Source::Bytes(bytes) => fs::write(&path, bytes).expect("writes"),
        }
    }
}

#[test]
fn every_library_that_ldd_names_is_there() {
    for program in ["sh", "ls", "sysbench", "curl"] {
        let Ok((path, image)) = closure(program) else { continue };
        let root = tempfile::tempdir().expect("folder");
        unpack(&image, root.path());
        let listed = Command::new("ldd").arg(&path).output().expect("ldd");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let paths = listed.split_ascii_whitespace().filter(|word| word.starts_with('/'));
        let mut count = 0;
        for library in paths {
            // Links of the unpacked root are relative or absolute. An absolute link would lead out of it.
            let inside = root.path().join(library.trim_start_matches('/'));
            assert!(inside.symlink_metadata().is_ok() || inside.exists(), "{program}: {library}");
            count += 1;
        }
        assert!(count >= 2, "{listed}");
    }
}

#[test]
fn a_closure_runs_in_a_root_of_its_own() {
    let root = tempfile::tempdir().expect("folder");
    let (path, image) = closure("sh").expect("sh");
    unpack(&image, root.path());
    let mut run = Command::new("unshare");
    run.args(["--map-root-user", "--user", "chroot"]).arg(root.path());
    let run = run.arg(&path).args(["-c", "echo $((6*7))"]).output();
    let Ok(run) = run else { return };
    let stderr = String::from_utf8_lossy(&run.stderr);
    if stderr.contains("Operation not permitted") {
        return;
    }
    assert_eq!(run.stdout, b"42\n", "{stderr}");
}

#[test]
fn the_closure_of_a_script_has_its_interpreter() {
    let folder = tempfile::tempdir().expect("folder");
    let script = folder.path().join("script");
    fs::write(&script, "#!/usr/bin/env sh\necho hello\n").expect("writes");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("mode");
    let (path, image) = closure(script.to_str().expect("text")).expect("closure");
    assert_eq!(path, script);
    let has = |name: &str| image.files.iter().any(|file| file.path.ends_with(name));
    assert!(has("script") && has("env") && has("libc.so.6"));
    assert!(image.files.iter().any(|file| file.path.file_name().is_some_and(|name| name == "sh")));
    assert_eq!(interpreters(b"#!/bin/sh -e\nx"), ["/bin/sh"]);
    assert_eq!(interpreters(b"#! /usr/bin/env -S A=1 python3\n"), ["/usr/bin/env", "python3"]);
    assert!(interpreters(b"echo").is_empty() && interpreters(b"#!\n").is_empty());
}

#[test]
fn a_missing_program_is_named() {
    assert!(closure("no-such-program").expect_err("missing").contains("no-such-program is not in PATH"));
    assert!(closure("/etc/passwd").expect_err("no program").contains("not a program"));
    assert!(closure("/no/such").expect_err("missing").contains("/no/such"));
}

#[test]
fn the_files_of_a_program_begin_with_itself() {
    let files = files("sh");
    let program = fs::canonicalize(find("sh").expect("a shell")).expect("there");
    assert_eq!(files.first(), Some(&program));
    assert!(files.len() > 1 && files.iter().all(|file| file.is_file()), "{files:?}");
    assert_eq!(files.iter().filter(|file| **file == program).count(), 1);
    assert!(super::files("no-such-program-anywhere").is_empty());
}
