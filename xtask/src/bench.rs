//! `cargo xtask bench`: the comparisons of benchmarks/README.md.

use crate::{cargo, run};
use anyhow::Result;

/// Runs them one after another; each prints its own table.
pub fn bench() -> Result<()> {
    run(&mut cargo(&["build", "--release", "--package", "isotare"]))?;
    for (package, example) in
        [("isotare-samplers", "sampler_cost"), ("isotare-drivers", "container_lifecycle")]
    {
        run(&mut cargo(&["run", "--release", "--quiet", "--package", package, "--example", example]))?;
    }
    Ok(())
}
