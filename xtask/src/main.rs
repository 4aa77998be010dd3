//! Development tasks: `cargo xtask demo | test | labs | everywhere | tidy | msrv | release-check | fuzz | dist | docs | goals | bench`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development task prints messages for its developer"
)]

mod bench;
mod bench_sampling;
mod checks;
mod demo;
mod dist;
mod everywhere;
mod fuzz;
mod labs;
mod mountpoint;
mod msrv;
mod programs;
mod reference;
mod test;
mod third_party;
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
        "labs" => labs(&std::env::args().skip(2).collect::<Vec<_>>()),
        "tidy" => tidy::tidy(),
        "msrv" => msrv::msrv(),
        "release-check" => checks::release(),
        "fuzz" => fuzz::smoke(),
        "dist" => dist::dist(std::env::args().any(|argument| argument == "--check")),
        "bench" => bench::bench(&std::env::args().skip(2).collect::<Vec<_>>()),
        "docs" => reference::write(),
        "goals" => goals(),
        "everywhere" => everywhere::everywhere(&std::env::args().skip(2).collect::<Vec<_>>()),
        other => Err(anyhow::anyhow!(
            "there is no task '{other}'; there are demo, test, labs, everywhere, tidy, msrv, release-check, fuzz, dist, docs, \
             goals and bench"
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

/// Runs the labs of these names, or all.
fn labs(names: &[String]) -> Result<()> {
    let (_, nothing_beside) = std::sync::mpsc::channel();
    let lines = labs::labs(names, &programs::Programs::build()?, nothing_beside)?;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
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
