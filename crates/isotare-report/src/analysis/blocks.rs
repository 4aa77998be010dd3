//! The blocks that ran, which of them were disturbed, and which count.

use isotare_core::{Outcome, Plan, Repeats, Trial};
use std::collections::{BTreeMap, BTreeSet};

/// The blocks of a session by number.
#[derive(Default)]
pub(super) struct Blocks {
    /// All, in the order in which they began.
    pub ran: Vec<u32>,
    /// Those in which a trial was disturbed.
    pub disturbed: Vec<u32>,
    /// Those that replaced disturbed blocks and ran to their end.
    pub repeats: Vec<u32>,
    /// Disturbed ones without a repeat.
    pub remaining: Vec<u32>,
    /// Disturbed ones that were replaced by repeats.
    pub replaced: BTreeSet<u32>,
}

impl Blocks {
    /// The same calculation as in the runner: the records and the plan's thresholds show which blocks were
    /// disturbed.
    pub fn of(plan: &Plan, trials: &[Trial]) -> Self {
        let mut blocks = Blocks::default();
        let mut members: BTreeMap<u32, Vec<&Trial>> = BTreeMap::new();
        for trial in trials {
            let block = members.entry(trial.block).or_default();
            if block.is_empty() {
                blocks.ran.push(trial.block);
            }
            block.push(trial);
        }
        // Values of other tools have no times.
        if trials.iter().all(|trial| trial.at_ns == 0) {
            blocks.ran.sort_unstable();
        }
        let cannot = [Outcome::Unavailable, Outcome::Unsupported];
        let runs: BTreeSet<usize> = trials
            .iter()
            .filter(|trial| !cannot.contains(&trial.outcome))
            .map(|trial| trial.condition)
            .collect();
        // The last of its trials that can run at all has run, too.
        let has_ended = |number: u32| {
            let last = plan.block(number).iter().rev().find(|slot| runs.contains(&slot.condition));
            last.is_some_and(|slot| {
                let is_it = |trial: &&&Trial| trial.condition == slot.condition;
                members[&number].iter().find(is_it).is_some_and(|trial| trial.outcome != Outcome::Interrupted)
            })
        };
        let spare = plan.max_blocks..plan.max_blocks.saturating_add(plan.spare);
        let mut repeats = Repeats::default();
        for &number in &blocks.ran {
            let seen = || members[&number].iter().filter_map(|trial| trial.noise);
            let is_disturbed = plan.gate.is_some_and(|gate| seen().any(|noise| gate.is_disturbed(&noise)));
            let is_repeat = spare.contains(&number) && has_ended(number);
            repeats.ended(number, is_repeat, is_disturbed);
            blocks.disturbed.extend(is_disturbed.then_some(number));
            blocks.repeats.extend(is_repeat.then_some(number));
        }
        blocks.remaining = repeats.waiting().collect();
        blocks.replaced = repeats.replaced().clone();
        blocks
    }
}
