//! `cargo xtask tidy`: checks of the source tree that the compiler cannot do.

use crate::root;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// No source file is longer than this without a reason.
const LONGEST: usize = 600;
const VAGUE: [&str; 4] = ["util", "common", "helper", "misc"];

/// Checks file lengths, names, module docs, and that the reference page is current.
pub fn tidy() -> Result<()> {
    let mut complaints = Vec::new();
    let mut lengths = Vec::new();
    for folder in ["crates", "guest", "xtask"] {
        for path in sources(&root().join(folder))? {
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let lines = text.lines().count();
            lengths.push(lines);
            let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            if lines > LONGEST {
                complaints.push(format!("{shown} has {lines} lines, more than {LONGEST}"));
            }
            if !text.starts_with("//!") && !text.starts_with("#!") {
                complaints.push(format!("{shown} does not begin with a module doc"));
            }
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if VAGUE.iter().any(|vague| name == *vague || name == format!("{vague}s")) {
                complaints.push(format!("{shown}: the name is too vague"));
            }
        }
    }
    complaints.extend(crate::reference::complaints()?);
    lengths.sort_unstable();
    if complaints.is_empty() {
        println!(
            "tidy: {} files, median {} lines",
            lengths.len(),
            lengths.get(lengths.len() / 2).unwrap_or(&0)
        );
        return Ok(());
    }
    bail!("untidy:\n  {}", complaints.join("\n  "));
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry.context("read a folder")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && name != "fixtures" {
            found.extend(sources(&path)?);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(found)
}
