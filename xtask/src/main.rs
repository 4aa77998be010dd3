//! Development tasks: `cargo xtask demo | test | labs | everywhere | tidy | docs | goals | bench`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development task prints messages for its developer"
)]

mod bench;
mod bench_sampling;
mod demo;
mod everywhere;
mod labs;
mod mountpoint;
mod reference;
mod test;
mod tidy;
mod tools;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    match mountpoint::run_again() {
        Ok(None) => {}
        Ok(Some(status)) => return status,
        Err(error) => {
            eprintln!("xtask {task}: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    let done = match task.as_str() {
        "demo" => demo::demo(),
        "test" => test::test(),
        "labs" => {
            let mut tally = Vec::new();
            let names: Vec<String> = std::env::args().skip(2).collect();
            let ran = labs::labs(&names, &mut tally);
            tally.iter().for_each(|line| println!("{line}"));
            ran
        }
        "tidy" => tidy::tidy(),
        "bench" => bench::bench(&std::env::args().skip(2).collect::<Vec<_>>()),
        "docs" => reference::write(),
        "goals" => goals(),
        "everywhere" => everywhere::everywhere(),
        other => Err(anyhow::anyhow!(
            "the task '{other}' is not known; known tasks: demo, test, labs, everywhere, tidy, docs, goals \
             and bench"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {task}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether isotare keeps what METHODOLOGY.md promises; what follows `goals` is passed on.
fn goals() -> Result<()> {
    let packages = ["--package", "isotare", "--package", "isotare-goals"];
    run(cargo(&["build", "--release", "--quiet"]).args(packages))?;
    let built = root().join("target/release");
    let mut command = Command::new(built.join("isotare-goals"));
    run(command.env("ISOTARE", built.join("isotare")).args(std::env::args().skip(2)))
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a program in the root of the repository; its failure is ours.
fn run(command: &mut Command) -> Result<()> {
    let status = command.current_dir(root()).status().with_context(|| format!("start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?}: {status}") }
}

/// Cargo, as it runs us.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// The agent that the last build of isotare in this profile embedded.
fn newest_agent(profile: &str) -> Result<PathBuf> {
    let builds = std::fs::read_dir(root().join("target").join(profile).join("build"))
        .context("read the build folder")?;
    let agents = builds.flatten().map(|entry| {
        let target = format!("{}-unknown-linux-gnu/release/isotare-agent", std::env::consts::ARCH);
        entry.path().join("out/agent").join(target)
    });
    let newest = agents.filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path))).max();
    newest.map(|(_, path)| path).context("find the agent: build isotare first")
}
