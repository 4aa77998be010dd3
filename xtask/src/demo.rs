//! `cargo xtask demo`: builds, compares what works here, writes a page. `make demo` installs packages and builds before it.

use crate::{cargo, root, run};
use anyhow::{Context, Result, bail};
use isotare_testkit::dockerd::PrivateDockerd;
use std::env;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Epoch at which `make demo` began.
const BEGAN: &str = "BEGAN";

/// How long it may measure. That is enough for the fewest blocks of the usual environments; `isotare compare` alone takes
/// up to 4 minutes.
const TIME: &str = "150s";

/// Runs the main job with a Docker daemon of our own where none answers.
pub fn demo() -> Result<()> {
    // The same packages as in the Makefile: with others, features of what they share would differ, and it would be built again.
    run(&mut cargo(&["build", "--release", "--package", "isotare", "--package", "xtask"]))?;
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
    isotare.args(["compare", "--time", TIME, "--out", "out/report.html", "--out", "out/report.json"]);
    if let Some(daemon) = &daemon {
        isotare.env("DOCKER_HOST", daemon.host());
    }
    let status = isotare.current_dir(root()).status().context("start isotare")?;
    drop(daemon);
    let page = root().join("out/report.html");
    let page = page.canonicalize().unwrap_or(page);
    match status.code() {
        Some(0) => {}
        Some(1) => println!("\nSome trials did not complete (see above)."),
        _ => bail!("isotare compare: {status}"),
    }
    println!("\nLonger sessions have narrower intervals: target/release/isotare compare --time 10m");
    println!("{}The page with figures: {}", elapsed().unwrap_or_default(), page.display());
    Ok(())
}

/// Minutes and seconds since `make demo` began, as it prints them.
fn elapsed() -> Option<String> {
    let began: u64 = env::var(BEGAN).ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = now.checked_sub(began)?;
    Some(format!("== {}:{:02} ", seconds / 60, seconds % 60))
}
