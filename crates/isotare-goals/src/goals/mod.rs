//! The goals. Each is a figure with its target. Their numbers are those of METHODOLOGY.md.

mod claims;
mod coverage;
mod doubts;
mod family;
mod levels;
mod order;
mod power;
mod replay;
mod sessions;
mod stopping;

/// One goal and its result.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Its number.
    pub id: &'static str,
    /// The promise.
    pub promise: &'static str,
    /// The measured figure.
    pub figure: String,
    /// Whether it is met.
    pub met: bool,
}

/// The amount of work for a run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Simulated sessions in a cell.
    pub repeats: usize,
}

impl Effort {
    /// Three standard errors of a share near `p`: what chance alone may add to or take from a figure.
    pub fn slack(self, p: f64) -> f64 {
        3.0 * (p * (1.0 - p) / self.repeats as f64).sqrt()
    }
}

/// Every goal that needs no machine, in order.
pub fn all(effort: Effort) -> Vec<Goal> {
    let goals: [fn(Effort) -> Goal; 13] = [
        coverage::g1,
        replay::g2,
        power::g3,
        stopping::g4,
        stopping::g5,
        family::g6,
        levels::g7,
        levels::g8,
        order::g9,
        claims::g10,
        claims::g16,
        sessions::g17,
        doubts::g18,
    ];
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = goals.iter().map(|goal| scope.spawn(move || goal(effort))).collect();
        found.extend(running.into_iter().filter_map(|thread| thread.join().ok()));
    });
    found
}

/// Lowest and highest of some shares, in per cent.
fn range(shares: &[f64]) -> (f64, f64) {
    shares.iter().fold((f64::MAX, f64::MIN), |(low, high), &s| (low.min(100.0 * s), high.max(100.0 * s)))
}

/// The share of repeats for which something holds.
pub fn share(repeats: usize, mut holds: impl FnMut(usize) -> bool) -> f64 {
    (0..repeats).filter(|i| holds(*i)).count() as f64 / repeats as f64
}
