//! `cargo xtask goals`: checks the promises of METHODOLOGY.md about the statistics.
//!
//! By default, the goals are checked by simulation and replay; options check goals on this machine. 10,000
//! repeats take minutes; the tests run a few hundred.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its purpose is to print the tables")]

mod goals;
mod machine;
mod noise;
mod peers;
mod peers_table;
mod traces;

use anyhow::{Context, Result};
use clap::Parser;
use goals::{Effort, Goal};
use machine::Isotare;
use noise::Model;
use std::path::PathBuf;
use std::process::ExitCode;

/// What has to be checked.
#[derive(Debug, Parser)]
struct Arguments {
    /// Simulated sessions in a cell.
    #[arg(default_value_t = 4000)]
    repeats: usize,
    /// Also analyze the same data with the rules of other tools.
    #[arg(long)]
    peers: bool,
    /// Instead, on this machine: inject each known overhead of the self-test this many times.
    #[arg(long, value_name = "REPEATS", num_args = 0..=1, default_missing_value = "10")]
    machine: Option<usize>,
    /// Instead, on this machine: run sessions with noise that is made on purpose.
    #[arg(long)]
    noise: bool,
    /// Instead, on this machine: run this many sessions of native against itself.
    #[arg(long, value_name = "SESSIONS")]
    null: Option<usize>,
    /// Instead, on this machine under a load: compare a command with itself this many times, with hyperfine
    /// and with isotare.
    #[arg(long, value_name = "ROUNDS")]
    load: Option<usize>,
    /// Isotare's program, for the checks on the machine.
    #[arg(long, env = "ISOTARE", value_name = "FILE")]
    isotare: Option<PathBuf>,
}

fn main() -> ExitCode {
    match show(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("isotare-goals: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the requested tables. Returns whether all goals in them are met.
fn show(arguments: &Arguments) -> Result<bool> {
    let program = || arguments.isotare.clone().context("name isotare's program with --isotare");
    let mut found = Vec::new();
    if let Some(repeats) = arguments.machine {
        let isotare = Isotare { program: program()? };
        found.extend(machine::selftest(&isotare, repeats)?);
    }
    if arguments.noise {
        found.push(machine::g12(&Isotare { program: program()? })?);
    }
    if let Some(sessions) = arguments.null {
        found.push(machine::null_sessions(&Isotare { program: program()? }, sessions)?);
    }
    if let Some(rounds) = arguments.load {
        found.push(duel(&Isotare { program: program()? }, rounds)?);
    }
    if !arguments.noise && arguments.machine.or(arguments.null).or(arguments.load).is_none() {
        found = goals::all(Effort { repeats: arguments.repeats });
        println!("{} simulated sessions in a cell\n", arguments.repeats);
    }
    println!("| goal | promise | found | met |\n|---|---|---|---|");
    for Goal { id, promise, figure, met } in &found {
        println!("| {id} | {promise} | {figure} | {} |", if *met { "yes" } else { "**no**" });
    }
    if arguments.peers {
        peers(arguments.repeats / 4);
    }
    Ok(found.iter().all(|goal| goal.met))
}

/// Prints who called a command different from itself, and judges isotare's own share.
fn duel(isotare: &Isotare, rounds: usize) -> Result<Goal> {
    let lines = machine::duel(isotare, rounds)?;
    println!(
        "| a command against itself under load, {rounds} comparisons | false differences | time of one |\n|---|---|---|"
    );
    for line in &lines {
        println!("| {} | {} | {:.1} s |", line.who, line.claims, line.seconds / rounds as f64);
    }
    println!();
    let ours = lines.first().map_or(rounds, |line| line.claims);
    let share = ours as f64 / rounds as f64;
    Ok(Goal {
        id: "load",
        promise: "a command against itself under a changing load: at most 5 % called different",
        figure: format!("{ours} of {rounds}"),
        met: share <= 0.05,
    })
}

fn peers(repeats: usize) {
    println!(
        "\n| noise | rule ({} trials of each arm) | false positives | +1 % | +2 % | +5 % | +10 % |",
        peers_table::TRIALS
    );
    println!("|---|---|---|---|---|---|---|");
    for line in peers_table::lines(repeats) {
        let cells: Vec<String> = line.found.iter().map(|share| format!("{:.1} %", 100.0 * share)).collect();
        println!("| {:?} | {} | {} |", line.model, line.who, cells.join(" | "));
    }
    println!(
        "\n| noise | rule | trials of each arm to find +2 % in 80 %, false positives at most 6 % |\n|---|---|---|"
    );
    for model in [Model::Autoregressive, Model::Trend, Model::Mix] {
        for (who, needed) in peers_table::trials_needed(model, repeats.min(500)) {
            let shown = needed.map_or("not with 300".to_owned(), |n| n.to_string());
            println!("| {model:?} | {who} | {shown} |");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With few repetitions the tolerance is wide. So this test finds clear errors, but no small ones.
    #[test]
    fn goals_are_met() {
        for goal in goals::all(Effort { repeats: 200 }) {
            assert!(goal.met, "{goal:?}");
        }
    }
}
