//! `cargo xtask fuzz`: every fuzz target for a few seconds. It finds what is broken at once; to look for more, run one for longer.

use crate::{cargo, root, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

/// Seconds of each target.
const SECONDS: u32 = 3;

/// Builds all targets and runs each for a moment; the first that fails is the error.
pub fn smoke() -> Result<()> {
    let list = fuzz(&["list"]).current_dir(root()).output().context("start cargo fuzz")?;
    if !list.status.success() {
        bail!("cargo fuzz list: {}", String::from_utf8_lossy(&list.stderr));
    }
    run(&mut fuzz(&["build", "--sanitizer", "none"]))?;
    let time = format!("-max_total_time={SECONDS}");
    for target in String::from_utf8_lossy(&list.stdout).lines() {
        println!("fuzz {target}");
        // What a target finds goes to its corpus, which git ignores; what it begins with is read from its seeds.
        let [corpus, seeds] = ["corpus", "seeds"].map(|folder| root().join("fuzz").join(folder).join(target));
        fs::create_dir_all(&corpus).with_context(|| format!("make {}", corpus.display()))?;
        let mut run_target = fuzz(&["run", target, "--sanitizer", "none"]);
        run_target.arg(&corpus).args(seeds.is_dir().then_some(&seeds));
        run(run_target.args(["--", &time, "-verbosity=0"]))?;
    }
    Ok(())
}

/// `cargo fuzz` on a stable compiler.
fn fuzz(arguments: &[&str]) -> Command {
    let mut command = cargo(&["fuzz"]);
    command.args(arguments).env("RUSTC_BOOTSTRAP", "1");
    command
}
