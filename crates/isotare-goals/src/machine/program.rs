//! Isotare as a user runs it.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program under test.
pub struct Isotare {
    /// Its path.
    pub program: PathBuf,
}

impl Isotare {
    /// A session that compares with these arguments, in a store of its own; its report as JSON.
    pub fn compare(&self, arguments: &[&str]) -> Result<Value> {
        let folder = tempfile::tempdir().context("make a folder for the store")?;
        let output = Command::new(&self.program)
            .args(["compare", "--format", "json", "--store"])
            .arg(folder.path().join("store.db"))
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .with_context(|| format!("start {}", self.program.display()))?;
        if !output.status.success() {
            bail!("isotare compare {}: {}", arguments.join(" "), output.status);
        }
        serde_json::from_slice(&output.stdout).context("read isotare's report")
    }
}

/// The rows of a report that compare an environment with the baseline.
pub fn compared<'a>(report: &'a Value, environment: &'a str) -> impl Iterator<Item = &'a Value> {
    let rows = report["results"].as_array().into_iter().flatten();
    rows.filter(move |row| row["environment"] == environment)
}

/// Whether a verdict is that there is a difference.
pub fn is_difference(row: &Value) -> bool {
    row["verdict"] == "slower" || row["verdict"] == "faster"
}
