//! Times the life of a container, driver `container` against `crun run`, interleaved, and prints medians and their ratio.
//!
//! Both run the same agent, which connects, is told to end, and ends. The driver also mounts an overlay for each
//! container and deletes its writable layer; `crun` gets one root file system, mounted beforehand and not timed.
//! As root: `cargo run --release --example container_lifecycle -- AGENT [PAIRS]`. Without crun only the driver is timed.

mod crun;
mod embedded;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// First rounds, not counted.
const WARMUP: usize = 3;

#[expect(clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    if let Some(code) = isotare_drivers::helper_process() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(agent) = arguments.first().map(PathBuf::from) else {
        eprintln!("usage: container_lifecycle AGENT [PAIRS]");
        return ExitCode::FAILURE;
    };
    let pairs = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(30);
    match compare(&agent, pairs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program of its own")]
fn compare(agent: &Path, pairs: usize) -> Result<()> {
    // crun refuses a version 2 hierarchy beside version 1, so neither side sees it.
    crun::hide_unified()?;
    let folder = tempfile::Builder::new().prefix("isotare-l").tempdir()?;
    let mut ours = embedded::Embedded::prepare(agent, folder.path())?;
    let mut theirs = crun::Crun::prepare(agent, folder.path())?;
    let (mut phases, mut others) = (Vec::new(), Vec::new());
    for round in 0..WARMUP + pairs {
        let life = ours.live(round)?;
        let other = theirs.as_mut().map(|crun| crun.live(round)).transpose()?;
        if round >= WARMUP {
            phases.push(life);
            others.extend(other);
        }
    }
    let total = summary(phases.iter().map(|life| life.iter().sum()).collect());
    for (index, name) in embedded::PHASES.iter().enumerate() {
        println!("{name:>9} {}", text(summary(phases.iter().map(|life| life[index]).collect())));
    }
    println!("container {}", text(total));
    if others.is_empty() {
        println!("crun is not installed: nothing to compare with");
        return Ok(());
    }
    let ratios: Vec<f64> = phases
        .iter()
        .zip(&others)
        .map(|(life, other)| life.iter().sum::<Duration>().as_secs_f64() / other.as_secs_f64())
        .collect();
    let other = summary(others);
    println!(" crun run {}", text(other));
    let ratio = total[1].as_secs_f64() / other[1].as_secs_f64();
    println!("ratio of medians {ratio:.2}, median of the ratios of pairs {:.2}", middle(ratios));
    Ok(())
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
