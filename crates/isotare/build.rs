//! Builds the agent as a static program, to be embedded.
//!
//! It is always built in release mode, in a target folder of its own: what is measured must not depend on how
//! isotare itself was built, and the outer cargo holds the lock of its own target folder.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../..");
    let crates = ["cgroup", "core", "protocol", "samplers"].map(|name| format!("crates/isotare-{name}"));
    for input in crates.into_iter().chain(["guest/agent", "Cargo.lock"].map(str::to_owned)) {
        println!("cargo:rerun-if-changed={}", root.join(input).display());
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = variable("TARGET");
    let mut cargo = Command::new(variable("CARGO"));
    for (name, _) in env::vars_os() {
        // What the outer cargo tells this build script would change how the inner one builds.
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_") && name != "CARGO_HOME" && !name.starts_with("CARGO_NET")
            || name == "RUSTC_WORKSPACE_WRAPPER"
        {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo
        .args(["build", "--release", "--package", "isotare-agent", "--target", &target])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(out.join("agent"))
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("building the agent: cargo {status}"),
        Err(error) => panic!("building the agent: cargo cannot be started: {error}"),
    }
    let program = out.join("agent").join(target).join("release/isotare-agent");
    println!("cargo:rustc-env=ISOTARE_AGENT={}", program.display());
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
