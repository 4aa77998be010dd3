//! The licences of all that is linked into the program, as those licences ask for.

use crate::{cargo, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Stdio;

const HEAD: &str = "\
Isotare itself is licensed under Apache-2.0 or MIT, at your choice. Its program holds code of the packages below, each
with its licence. Their sources are on https://crates.io.

libpathrs (package pathrs) is under MPL-2.0: its source is https://crates.io/crates/pathrs.

The agent inside the program is linked with the GNU C library (LGPL-2.1-or-later): its source is in Debian
(https://sources.debian.org/src/glibc), and the agent can be linked anew with another one from the sources of Isotare.
";

/// The page for this program and its agent.
pub fn notice() -> Result<String> {
    let packages = linked()?;
    let mut by_text: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut text = HEAD.to_owned();
    for package in &packages {
        let word = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", word("name"), word("version"));
        let licence = package["license"].as_str().unwrap_or("see its text");
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\n{name}: {licence}");
        for licence in texts(Path::new(word("manifest_path")).parent().context("a package has a folder")?)? {
            by_text.entry(licence).or_default().insert(name.clone());
        }
    }
    text.push('\n');
    for (licence, names) in by_text {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let _infallible = write!(text, "\n{}\n{names}\n\n{}\n", "-".repeat(80), licence.trim());
    }
    Ok(text)
}

/// Packages of others that the program or the agent is linked with.
fn linked() -> Result<Vec<Value>> {
    let metadata: Value = serde_json::from_str(&told(&["metadata", "--locked", "--format-version=1"])?)?;
    let tree = ["tree", "--locked", "--package", "isotare", "--package", "isotare-agent"];
    let tree = told(&[&tree[..], &["--edges", "normal", "--prefix", "none", "--format", "{p}"]].concat())?;
    // `name v1.0.0`, and more behind it for some.
    let names: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap_or_default().trim_start_matches('v')))
        .collect();
    let is_linked = |package: &&Value| {
        let word = |key: &str| package[key].as_str().unwrap_or_default();
        !package["source"].is_null() && names.contains(&(word("name"), word("version")))
    };
    Ok(metadata["packages"].as_array().into_iter().flatten().filter(is_linked).cloned().collect())
}

fn told(arguments: &[&str]) -> Result<String> {
    let output =
        cargo(arguments).current_dir(root()).stderr(Stdio::inherit()).output().context("start cargo")?;
    if !output.status.success() {
        bail!("cargo {}: {}", arguments.join(" "), output.status);
    }
    String::from_utf8(output.stdout).context("read what cargo says")
}

/// The texts of licences and notices in a package's folder.
fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let is_text = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|word| name.starts_with(word));
        if is_text && path.is_file() {
            texts.push(fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    Ok(texts)
}
