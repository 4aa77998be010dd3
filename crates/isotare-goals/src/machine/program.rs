//! Runs Isotare like a user.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program under test.
pub struct Isotare {
    /// Its path.
    pub program: PathBuf,
}

impl Isotare {
    /// Its JSON output, with a separate store. Exit codes that report a problem do not matter here.
    pub fn report(&self, verb: &str, arguments: &[&str]) -> Result<Value> {
        let folder = tempfile::tempdir().context("make a folder for the store")?;
        let output = Command::new(&self.program)
            .args([verb, "--format", "json", "--store"])
            .arg(folder.path().join("store.db"))
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("start {}", self.program.display()))?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("read what isotare {verb} {} found ({})", arguments.join(" "), output.status)
        })
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
