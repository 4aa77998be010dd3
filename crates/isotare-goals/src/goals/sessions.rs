//! G17: two sessions compared. The second machine state is another one, its noise drawn anew.

use super::{Effort, Goal, range, share};
use crate::noise::{ALL, Model, Source, pairs};
use isotare_stats::{Change, Direction, Margin, Verdict};

/// Overhead of the condition in the first session.
const OVERHEAD: f64 = 1.1;
/// How much slower the whole machine is in the second.
const SLOWER: f64 = 1.3;
const BLOCKS: [(usize, usize); 4] = [(10, 10), (20, 20), (30, 30), (10, 40)];

fn change(source: &mut Source, model: Model, (before, after): (usize, usize), by: f64) -> Option<Change> {
    let before = pairs(&source.session(model, before, &[OVERHEAD.ln()]), 0);
    let after = pairs(&source.session(model, after, &[(OVERHEAD * by).ln()]), 0);
    let after: Vec<(f64, f64)> = after.iter().map(|(y, base)| (SLOWER * y, SLOWER * base)).collect();
    Change::of(&before, &after)
}

/// Share of intervals that hold the true change, of changes claimed where there is none, and of changes of 5
/// % found.
fn cell(model: Model, blocks: (usize, usize), repeats: usize) -> [f64; 3] {
    let Some(margin) = Margin::new(0.02) else { unreachable!("0.02 is above zero") };
    let mut source = Source::new(17 + blocks.1 as u64);
    let verdict = |change: &Change| change.judge(Direction::Lower, margin, change.p(), 0.95);
    let covered = share(repeats, |_| {
        let estimate = change(&mut source, model, blocks, 1.02).and_then(|change| change.estimate(0.95));
        estimate.is_some_and(|e| e.low <= 1.02 && 1.02 <= e.high)
    });
    let claimed = share(repeats, |_| {
        let found = change(&mut source, model, blocks, 1.0).map(|change| verdict(&change));
        matches!(found, Some(Verdict::Slower | Verdict::Faster))
    });
    let found = share(repeats, |_| {
        change(&mut source, model, blocks, 1.05).is_some_and(|change| verdict(&change) == Verdict::Slower)
    });
    [covered, claimed, found]
}

pub(super) fn g17(effort: Effort) -> Goal {
    let cells: Vec<[f64; 3]> =
        BLOCKS.into_iter().flat_map(|blocks| ALL.map(|model| cell(model, blocks, effort.repeats))).collect();
    let column = |at: usize| range(&cells.iter().map(|cell| cell[at]).collect::<Vec<_>>());
    let ((low, high), claimed, found) = (column(0), column(1).1, column(2).0);
    Goal {
        id: "G17",
        promise: "diff of two sessions: 95 % intervals cover in 94 % or more, a change is claimed in at most 5.5 % where \
                  there is none",
        figure: format!(
            "{low:.1} to {high:.1} % covered, {claimed:.1} % claimed at most, +5 % found in {found:.0} % at least"
        ),
        met: low >= 94.0 - 100.0 * effort.slack(0.95) && claimed <= 5.5 + 100.0 * effort.slack(0.055),
    }
}
