//! `cargo xtask goals`: what METHODOLOGY.md promises of the statistics, and whether it holds.
//!
//! `isotare-goals [REPEATS] [--peers]`: goals by simulation and replay; with `--peers` also the same data judged by the
//! rules of other tools. 10,000 repeats take minutes; the tests run a few hundred.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod goals;
mod noise;
mod peers;
mod peers_table;
mod traces;

use goals::{Effort, Goal};
use noise::Model;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let repeats = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(4000);
    let found = goals::all(Effort { repeats });
    println!("| goal | promise | found ({repeats} sessions a cell) | met |\n|---|---|---|---|");
    for Goal { id, promise, figure, met } in &found {
        println!("| {id} | {promise} | {figure} | {} |", if *met { "yes" } else { "**no**" });
    }
    if arguments.iter().any(|word| word == "--peers") {
        peers(repeats / 4);
    }
    if found.iter().all(|goal| goal.met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

    /// With few repeats the slack is wide: this finds what is broken, not what is slightly off.
    #[test]
    fn goals_are_met() {
        for goal in goals::all(Effort { repeats: 200 }) {
            assert!(goal.met, "{goal:?}");
        }
    }
}
