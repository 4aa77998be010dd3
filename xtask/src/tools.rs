//! Programs that tests need and that no package contains. They are built once into `target/tools`.

use crate::{cargo, root, run};
use anyhow::{Context, Result};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// youki, with support for cgroup version 1, which its default build lacks.
const YOUKI: [&str; 6] = ["--locked", "youki", "--version", "0.7.0", "--features", "v1"];

/// Builds what is missing. Where that fails (without a network, or a C library's headers) tests say what they
/// skip.
pub fn build() {
    let folder = root().join("target/tools");
    if !folder.join("bin/youki").exists() {
        println!("building youki, once");
        let mut install = cargo(&["install", "--quiet", "--root"]);
        if let Err(error) = run(install.arg(&folder).args(YOUKI)) {
            println!("no youki: {error:#}");
        }
    }
}

/// `PATH` with these programs at its end.
pub fn path() -> Result<OsString> {
    let ours = root().join("target/tools/bin");
    let ours = std::path::absolute(&ours).with_context(|| format!("find {}", ours.display()))?;
    let path = env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = env::split_paths(&path).chain([ours]).collect();
    env::join_paths(all).context("extend PATH")
}
