//! The workspace's programs and test programs, built once. All of them come from one call of cargo, because another choice of
//! packages chooses other features of dependencies and builds these again.

use crate::{cargo, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;

/// What one build made.
pub struct Programs(Vec<Value>);

impl Programs {
    /// Builds them all. Running the tests afterwards builds nothing.
    pub fn build() -> Result<Self> {
        let mut build = cargo(&["test", "--workspace", "--no-run", "--quiet", "--message-format=json"]);
        let output = build.current_dir(root()).stderr(Stdio::inherit()).output().context("start cargo")?;
        if !output.status.success() {
            bail!("build the workspace and its tests: {}", output.status);
        }
        // One message a line; those with an executable are programs.
        let lines = String::from_utf8_lossy(&output.stdout);
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(Self(messages.filter(|message| message["executable"].is_string()).collect()))
    }

    /// The program or integration test of this name in a package.
    pub fn path(&self, package: &str, target: &str) -> Result<PathBuf> {
        let is_it = |message: &&Value| {
            let package_id = message["package_id"].as_str().unwrap_or_default();
            message["target"]["name"] == target
                && package_id.contains(&format!("/{package}#"))
                // A library or program of the same name built as a test is not meant.
                && (message["profile"]["test"] == false || message["target"]["kind"][0] == "test")
        };
        let path = self.0.iter().find(is_it).and_then(|message| message["executable"].as_str());
        path.map(PathBuf::from).with_context(|| format!("find the program {target} of {package}"))
    }
}
