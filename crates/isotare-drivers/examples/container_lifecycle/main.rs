//! Measures how long containers take from create to delete: with a driver, and with its tool called directly.
//! Both sides alternate. Prints medians and ratios.
//!
//! Both sides run the same agent with the same specification and limits. The agent connects, is told to end,
//! and ends. In addition, a driver records what it makes and watches its tool. The ratio shows what this
//! costs. The embedded container has no tool of its own. It is compared with `crun run`, whose root file
//! system is mounted once before the measurement. As root: `cargo run --release --example container_lifecycle
//! -- AGENT [PAIRS [DRIVER…]]`.

mod bubblewrap;
mod lxc;
mod ours;
mod tool;

use bubblewrap::Bubblewrap;
use lxc::Lxc;
use ours::Ours;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tool::{Calls, Tool};

/// Runs one instance of the other side in a round.
type Live = Box<dyn FnMut(usize) -> Result<Duration>>;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Number of first rounds that are not counted.
const WARMUP: usize = 3;
/// Drivers, the tool that each is compared with, and how the tool is called.
const COMPARED: [(&str, &str, &str); 5] = [
    ("container", "crun", "run"),
    ("crun", "crun", "create, start, delete"),
    ("runc", "runc", "create, start, delete"),
    ("bubblewrap", "bwrap", "on a root mounted for each life"),
    ("lxc", "lxc-execute", "with the driver's configuration"),
];

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    if let Some(code) = isotare_drivers::helper_process() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(agent) = arguments.first().map(PathBuf::from) else {
        eprintln!("usage: container_lifecycle AGENT [PAIRS [DRIVER…]]");
        return ExitCode::FAILURE;
    };
    let pairs = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(30);
    let wanted = arguments.get(2..).unwrap_or_default();
    // crun does not accept a version 2 hierarchy beside version 1, so it is hidden from both sides.
    let mut done = tool::hide_unified();
    for (driver, program, called) in COMPARED {
        if done.is_ok() && (wanted.is_empty() || wanted.iter().any(|name| name == driver)) {
            done = compare(driver, program, called, &agent, pairs);
        }
    }
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program of its own")]
fn compare(driver: &str, program: &str, called: &str, agent: &Path, pairs: usize) -> Result<()> {
    let Some(program_path) = isotare_host::find_program(program) else {
        println!("{driver}: {program} is not installed: nothing to compare with");
        return Ok(());
    };
    let folder = tempfile::Builder::new().prefix("isotare-l").tempdir()?;
    let mut ours = Ours::prepare(driver, agent, folder.path())?;
    let mut theirs = other_side(driver, program, program_path, agent, &folder.path().join("tool"))?;
    let (mut phases, mut others) = (Vec::new(), Vec::new());
    for round in 0..WARMUP + pairs {
        let life = ours.live(round)?;
        let other = theirs(round)?;
        if round >= WARMUP {
            phases.push(life);
            others.push(other);
        }
    }
    let total = summary(phases.iter().map(|life| life.iter().sum()).collect());
    for (index, name) in ours::PHASES.iter().enumerate() {
        println!("{name:>9} {}", text(summary(phases.iter().map(|life| life[index]).collect())));
    }
    println!("{driver:>9} {}", text(total));
    let ratios: Vec<f64> = phases
        .iter()
        .zip(&others)
        .map(|(life, other)| life.iter().sum::<Duration>().as_secs_f64() / other.as_secs_f64())
        .collect();
    let other = summary(others);
    println!("{:>9} {}", program, text(other));
    let ratio = total[1].as_secs_f64() / other[1].as_secs_f64();
    println!(
        "{driver} over '{program} {called}': ratio of medians {ratio:.2}, median of the ratios of pairs {:.2}\n",
        middle(ratios)
    );
    Ok(())
}

fn other_side(driver: &str, program: &str, path: PathBuf, agent: &Path, folder: &Path) -> Result<Live> {
    Ok(match driver {
        "bubblewrap" => {
            let mut side = Bubblewrap::prepare(path, agent, folder)?;
            Box::new(move |round| side.live(round))
        }
        "lxc" => {
            let mut side = Lxc::prepare(path, agent, folder)?;
            Box::new(move |round| side.live(round))
        }
        _ => {
            let calls = if driver == "container" { Calls::Run } else { Calls::Steps };
            let mut side = Tool::prepare(path, calls, specification(program, agent)?, agent, folder)?;
            Box::new(move |round| side.live(round))
        }
    })
}

/// The specification that the driver of this name gives to its runtime.
fn specification(driver: &str, agent: &Path) -> Result<serde_json::Value> {
    let folder = tempfile::Builder::new().prefix("isotare-l").tempdir()?;
    Ours::prepare(driver, agent, folder.path())?.specification(0)
}

/// Tenth percentile, median, ninetieth percentile.
fn summary(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort();
    let last = times.len() - 1;
    [times[last / 10], times[times.len() / 2], times[last - last / 10]]
}

fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn text(summary: [Duration; 3]) -> String {
    let [low, median, high] = summary.map(|time| time.as_secs_f64() * 1e3);
    format!("{median:7.2} ms  [{low:.2}, {high:.2}]")
}
