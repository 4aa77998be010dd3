//! Checks of the source that run nothing of it, and `cargo xtask release-check`, which runs them all.

use crate::{cargo, fuzz, msrv, root, run, tidy};
use anyhow::{Result, bail};
use std::env;
use std::process::{Command, Stdio};

/// Formatting, lints, tidiness, documentation and the compiler's version: what every test run checks.
pub fn source() -> Result<()> {
    tidy::tidy()?;
    msrv::msrv()?;
    if there_is(&mut cargo(&["fmt", "--version"]), "cargo fmt", "rustup component add rustfmt", Where::Ci)? {
        run(&mut cargo(&["fmt", "--all", "--check"]))?;
    }
    if there_is(
        &mut cargo(&["clippy", "--version"]),
        "cargo clippy",
        "rustup component add clippy",
        Where::Ci,
    )? {
        run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    }
    documentation()
}

/// The checks of a release: the above, and what needs tools that a compiler does not bring.
pub fn release() -> Result<()> {
    source()?;
    let remedy = "cargo install --locked cargo-deny";
    if there_is(&mut cargo(&["deny", "--version"]), "cargo deny", remedy, Where::Release)? {
        // Advisories are fetched from GitHub: CONTRIBUTING.md says how to check them.
        run(&mut cargo(&["deny", "--workspace", "check", "licenses", "bans", "sources"]))?;
    }
    let remedy = "pip install typos, or cargo install --locked typos-cli";
    if there_is(Command::new("typos").arg("--version"), "typos", remedy, Where::Release)? {
        run(Command::new("typos").arg("--format=brief"))?;
    }
    let remedy = "cargo install --locked cargo-fuzz";
    if there_is(&mut cargo(&["fuzz", "--version"]), "cargo fuzz", remedy, Where::Release)? {
        fuzz::smoke()?;
    }
    Ok(())
}

/// What `cargo doc` says of our own crates.
fn documentation() -> Result<()> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Where a check must not be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// In continuous integration.
    Ci,
    /// Nowhere: who makes a release reads what was left out.
    Release,
}

/// Whether a tool answers. One that is missing is told; it fails the check in continuous integration, which sets `CI`.
fn there_is(version: &mut Command, tool: &str, remedy: &str, needed: Where) -> Result<bool> {
    let asked = version.current_dir(root()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if asked.is_ok_and(|status| status.success()) {
        return Ok(true);
    }
    left_out(tool, remedy, needed == Where::Ci && env::var_os("CI").is_some())
}

/// Tells that a check is left out, or fails where it must not be.
fn left_out(tool: &str, remedy: &str, must_run: bool) -> Result<bool> {
    if must_run {
        bail!("{tool} is missing, and this check has to run where CI is set; remedy: {remedy}");
    }
    println!("skipped {tool}: it is not installed; remedy: {remedy}");
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_fails_only_where_it_must_run() {
        assert!(!left_out("cargo fmt", "install it", false).expect("skipped"));
        let why = left_out("cargo fmt", "install it", true).expect_err("refused").to_string();
        let expected = "cargo fmt is missing, and this check has to run where CI is set; remedy: install it";
        assert_eq!(why, expected);
        let absent = &mut Command::new("/nonexistent/typos");
        assert!(!there_is(absent, "typos", "install it", Where::Release).expect("skipped"));
    }
}
