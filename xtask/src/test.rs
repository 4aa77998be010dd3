//! `cargo xtask test`: checks of the source, all tests, labs, and what ran on which runtime.

use crate::programs::Programs;
use crate::{cargo, newest_agent, root, run, tools};
use anyhow::{Context, Result, bail};
use std::fs;

/// Passes the tests.
pub fn test() -> Result<()> {
    // Packages are fetched and installed while the compiler works.
    let images = std::thread::spawn(crate::labs::prepare);
    crate::checks::source()?;
    let tally = root().join("target/runtimes.txt");
    fs::create_dir_all(root().join("target")).context("make the target folder")?;
    fs::write(&tally, "").with_context(|| format!("write {}", tally.display()))?;
    let built = Programs::build()?;
    let agent = newest_agent("debug")?;
    tools::build();
    // If this fails, it is tried again when the labs have to run, and the error is reported then.
    let _tried_again = images.join();
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    tests.env("ISOTARE_TALLY", &tally).env("ISOTARE_AGENT", agent).env("PATH", tools::path()?);
    // Labs are busy with processors, and tests mostly wait.
    let (ended, alone) = std::sync::mpsc::channel();
    let (tested, in_labs) = std::thread::scope(|scope| {
        let labs = scope.spawn(|| crate::labs::labs(&[], &built, alone));
        let tested = run(&mut tests);
        drop(ended);
        (tested, labs.join())
    });
    let in_labs = in_labs.unwrap_or_else(|_| bail!("running the labs panicked, see above"));
    let text = fs::read_to_string(&tally).with_context(|| format!("read {}", tally.display()))?;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.extend(in_labs.iter().flatten().map(String::as_str));
    lines.sort();
    lines.dedup();
    let skipped = lines.iter().filter(|line| line.starts_with("skipped")).count();
    println!("\nRuntimes: {} ran, {skipped} skipped", lines.len() - skipped);
    lines.iter().for_each(|line| println!("  {line}"));
    match (tested, in_labs) {
        (Err(tests), Err(labs)) => bail!("{tests:#}\n{labs:#}"),
        (tested, in_labs) => tested.and(in_labs.map(drop)),
    }
}
