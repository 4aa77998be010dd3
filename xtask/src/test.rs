//! `cargo xtask test`: formatting, lints, tidiness, all tests, labs, and what ran on which runtime.

use crate::{cargo, newest_agent, root, run, tools};
use anyhow::{Context, Result, bail};
use std::fs;

/// Passes the tests.
pub fn test() -> Result<()> {
    // Packages are fetched and installed while the compiler works.
    let images = std::thread::spawn(crate::labs::prepare);
    crate::tidy::tidy()?;
    if cargo(&["fmt", "--version"]).output().is_ok_and(|output| output.status.success()) {
        run(&mut cargo(&["fmt", "--all", "--check"]))?;
    }
    if cargo(&["clippy", "--version"]).output().is_ok_and(|output| output.status.success()) {
        run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    }
    let tally = root().join("target/runtimes.txt");
    fs::create_dir_all(root().join("target")).context("make the target folder")?;
    fs::write(&tally, "").with_context(|| format!("write {}", tally.display()))?;
    run(&mut cargo(&["build", "--package", "isotare"]))?;
    let agent = newest_agent("debug")?;
    tools::build();
    // If this fails, it is tried again when the labs have to run, and the error is reported then.
    let _tried_again = images.join();
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    let tested =
        run(tests.env("ISOTARE_TALLY", &tally).env("ISOTARE_AGENT", agent).env("PATH", tools::path()?));
    let mut lines: Vec<String> = fs::read_to_string(&tally)
        .with_context(|| format!("read {}", tally.display()))?
        .lines()
        .map(str::to_owned)
        .collect();
    let in_labs = crate::labs::labs(&[], &mut lines);
    lines.sort();
    lines.dedup();
    let skipped = lines.iter().filter(|line| line.starts_with("skipped")).count();
    println!("\nRuntimes: {} ran, {skipped} skipped", lines.len() - skipped);
    lines.iter().for_each(|line| println!("  {line}"));
    match (tested, in_labs) {
        (Err(tests), Err(labs)) => bail!("{tests:#}\n{labs:#}"),
        (tested, in_labs) => tested.and(in_labs),
    }
}
