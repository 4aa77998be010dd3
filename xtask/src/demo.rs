//! `cargo xtask demo`: builds, compares what works here, writes a page.

use crate::{cargo, root, run};
use anyhow::{Context, Result, bail};
use isotare_testkit::dockerd::PrivateDockerd;
use std::process::Command;

/// Runs the main job with a Docker daemon of our own where none answers.
pub fn demo() -> Result<()> {
    run(&mut cargo(&["build", "--release", "--package", "isotare"]))?;
    std::fs::create_dir_all(root().join("out")).context("make the folder out")?;
    let daemon = match isotare_testkit::dockerd::answers() {
        true => None,
        false => match PrivateDockerd::start() {
            Ok(daemon) => Some(daemon),
            Err(why) => {
                eprintln!("docker will be unavailable: {why}");
                None
            }
        },
    };
    let mut isotare = Command::new(root().join("target/release/isotare"));
    isotare.args(["compare", "--out", "out/report.html", "--out", "out/report.json"]);
    if let Some(daemon) = &daemon {
        isotare.env("DOCKER_HOST", daemon.host());
    }
    let status = isotare.current_dir(root()).status().context("start isotare")?;
    drop(daemon);
    match status.code() {
        Some(0) => println!("\nThe page with figures: out/report.html"),
        Some(1) => {
            println!("\nSome trials did not complete (see above). The page with figures: out/report.html")
        }
        _ => bail!("isotare compare: {status}"),
    }
    Ok(())
}
