//! `cargo xtask msrv`: whether all that is built is content with the compiler that Cargo.toml names.

use crate::{cargo, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Stdio;

/// A version of the compiler: major, minor, patch.
type Version = [u64; 3];

/// Checks every dependency for this kind of machine, those of tests included. Our own code is checked by `clippy::incompatible_msrv`.
pub fn msrv() -> Result<()> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut metadata = cargo(&["metadata", "--locked", "--format-version=1", "--filter-platform", &platform]);
    let output = metadata.current_dir(root()).stderr(Stdio::inherit()).output().context("start cargo")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", output.status);
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("read cargo's metadata")?;
    let ours = declared(&metadata)?;
    let [major, minor, _] = ours;
    let newer = newer(&metadata, ours);
    if newer.is_empty() {
        println!("msrv: no dependency needs more than Rust {major}.{minor}");
        return Ok(());
    }
    bail!(
        "Cargo.toml says rust-version {major}.{minor}, but there are dependencies that need more:\n  {}\n\
         remedy: cargo update PACKAGE --precise OLDER, or raise rust-version and say so in CHANGELOG.md",
        newer.join("\n  ")
    )
}

/// The version that our packages have in common.
fn declared(metadata: &Value) -> Result<Version> {
    let own = packages(metadata).filter(|package| package["source"].is_null());
    let versions: Option<BTreeSet<Version>> = own.map(rust_version).collect();
    let versions = versions.context("a package of the workspace has no rust-version")?;
    match versions.into_iter().collect::<Vec<_>>()[..] {
        [only] => Ok(only),
        _ => bail!("the packages of the workspace have no or several rust-versions"),
    }
}

/// The packages that need a newer compiler.
fn newer(metadata: &Value, ours: Version) -> Vec<String> {
    let newer =
        packages(metadata).filter(|package| rust_version(package).is_some_and(|theirs| theirs > ours));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    newer
        .map(|package| {
            let (name, version, needed) = (&package["name"], &package["version"], &package["rust_version"]);
            format!("{} {} needs Rust {}", text(name), text(version), text(needed))
        })
        .collect()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// `1.89` or `1.89.0`; `None` where a package names none.
fn rust_version(package: &Value) -> Option<Version> {
    let mut version = [0; 3];
    for (part, text) in version.iter_mut().zip(package["rust_version"].as_str()?.split('.')) {
        *part = text.parse().ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dependencies_that_need_a_newer_compiler_are_named() {
        let package = |name: &str, source: Value, needs: Value| json!({ "name": name, "version": "1.0.0", "source": source, "rust_version": needs });
        let metadata = json!({ "packages": [
            package("ours", Value::Null, json!("1.89")),
            package("same", json!("registry"), json!("1.89.0")),
            package("newer", json!("registry"), json!("1.90.1")),
            package("silent", json!("registry"), Value::Null),
        ] });
        let ours = declared(&metadata).expect("one version");
        assert_eq!(newer(&metadata, ours), ["newer 1.0.0 needs Rust 1.90.1"]);
    }
}
