//! `cargo xtask everywhere [ARGUMENTS]`: one session over every environment that continuous integration has on the host, with
//! daemons of our own where none answers. The arguments are those of `isotare compare`, such as `-- sh -c 'seq 10 | sort'`.

#![expect(unsafe_code, reason = "variables of the environment are set before there are threads")]

use crate::{cargo, root, run, tools};
use anyhow::{Context, Result, bail};
use isotare_testkit::coverage::{COVERAGE, Tested};
use isotare_testkit::engines::{Engines, SSH_SETTINGS};
use std::collections::BTreeSet;
use std::process::Command;

/// Environments in addition to the first one of each driver.
const ALSO: [&str; 5] = [
    "docker:runtime=crun",
    "docker:runtime=runsc",
    "runsc:platform=ptrace",
    "qemu:accel=tcg,machine=q35",
    "qemu:accel=tcg,machine=pc",
];

/// What is compared where nothing is asked for.
const USUAL: [&str; 4] = ["--workload", "cpu:time=300ms", "--blocks", "6"];

/// Compares them all; the page is `out/everywhere.html`. `asked` are further arguments of the comparison.
pub fn everywhere(asked: &[String]) -> Result<()> {
    run(&mut cargo(&["build", "--release", "--package", "isotare"]))?;
    tools::build();
    let specs = specs();
    // SAFETY: no other thread runs yet.
    let engines = unsafe { Engines::start(&specs) };
    let ssh = std::env::var(SSH_SETTINGS).unwrap_or_default();
    std::fs::create_dir_all(root().join("out")).context("make the folder out")?;
    let mut isotare = Command::new(root().join("target/release/isotare"));
    isotare.args(["compare", "--out", "out/everywhere.html"]);
    for spec in specs {
        isotare.arg("--env").arg(if spec == "ssh" { format!("ssh:{ssh}") } else { spec.to_owned() });
    }
    match asked {
        [] => isotare.args(USUAL),
        asked => isotare.args(asked),
    };
    let status = isotare.env("PATH", tools::path()?).current_dir(root()).status().context("start isotare")?;
    drop(engines);
    if status.success() { Ok(()) } else { bail!("isotare compare: {status}") }
}

fn specs() -> Vec<&'static str> {
    let mut seen = BTreeSet::from(["native"]);
    let first = |(spec, tested): &&'static (&str, Tested)| {
        let driver = spec.split(':').next().unwrap_or(spec);
        *tested == Tested::Ci && (ALSO.contains(spec) || seen.insert(driver))
    };
    COVERAGE.iter().filter(first).map(|(spec, _)| *spec).collect()
}
