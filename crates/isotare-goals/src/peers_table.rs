//! The same data judged by isotare and by the rules of other tools.

use crate::noise::{ALL, Model, Source, pairs};
use crate::peers::{PEERS, Rule, mann_whitney};
use isotare_stats::ratio_of_pairs;

/// True overheads of the table.
pub const OVERHEADS: [f64; 5] = [0.0, 0.01, 0.02, 0.05, 0.10];
/// Trials of each arm.
pub const TRIALS: usize = 30;

/// One line: who, under what, and the share of sessions in which it saw a difference, by true overhead.
pub struct Line {
    /// Noise.
    pub model: Model,
    /// Whose rule, with its order of trials.
    pub who: String,
    /// For each of [`OVERHEADS`]; the first are false positives.
    pub found: [f64; 5],
}

fn ours(a: &[f64], b: &[f64], _: &mut Source) -> bool {
    let pairs: Vec<(f64, f64)> = b.iter().copied().zip(a.iter().copied()).collect();
    ratio_of_pairs(&pairs, 0.95).is_some_and(|e| e.low > 1.0 || e.high < 1.0)
}

/// The table.
pub fn lines(repeats: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for model in ALL {
        let mut line = |who: String, blocks: bool, rule: Rule| {
            let found = OVERHEADS.map(|overhead| found(model, TRIALS, overhead, blocks, rule, repeats));
            lines.push(Line { model, who, found });
        };
        line("isotare, random blocks".to_owned(), true, ours);
        line("U test, random blocks".to_owned(), true, mann_whitney);
        for (name, rule) in PEERS {
            line(format!("{name}, one after the other"), false, rule);
        }
    }
    lines
}

fn found(model: Model, trials: usize, overhead: f64, blocks: bool, rule: Rule, repeats: usize) -> f64 {
    let mut source = Source::new(11);
    super::goals::share(repeats, |_| {
        let [a, b] = match blocks {
            false => source.sequential(model, trials, overhead.ln_1p()),
            true => {
                let session = pairs(&source.session(model, trials, &[overhead.ln_1p()]), 0);
                [session.iter().map(|p| p.1).collect(), session.iter().map(|p| p.0).collect()]
            }
        };
        rule(&a, &b, &mut source)
    })
}

/// Fewest trials of each arm with which a rule finds +2 % in 80 % of sessions while it claims at most 6 %
/// falsely.
pub fn trials_needed(model: Model, repeats: usize) -> Vec<(String, Option<usize>)> {
    const SIZES: [usize; 12] = [6, 8, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300];
    let needed = |blocks: bool, rule: Rule| {
        SIZES.into_iter().find(|&n| {
            found(model, n, 0.02, blocks, rule, repeats) >= 0.8
                && found(model, n, 0.0, blocks, rule, repeats) <= 0.06
        })
    };
    let ours = [("isotare, random blocks".to_owned(), needed(true, ours))];
    let unpaired = [("U test, random blocks".to_owned(), needed(true, mann_whitney))];
    let peers = PEERS.map(|(name, rule)| (format!("{name}, one after the other"), needed(false, rule)));
    ours.into_iter().chain(unpaired).chain(peers).collect()
}
