//! Decides which block comes next and when the session stops. It only gets clock times and the information
//! which blocks were disturbed, never a result.

use isotare_core::{Plan, Repeats, SessionEnd};
use isotare_stats::Precision;
use std::collections::BTreeSet;

/// The blocks of one session.
pub(crate) struct Queue<'p> {
    plan: &'p Plan,
    rule: Option<Precision>,
    /// Regular blocks of the plan that have ended.
    regular: u32,
    /// Spare blocks that have ended.
    repeated: u32,
    repeats: Repeats,
}

/// A block to run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its number in the plan.
    pub block: u32,
    /// Whether it repeats a block that was disturbed.
    pub is_repeat: bool,
}

impl<'p> Queue<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let rule = plan.stopping.map(|target| Precision::new(target, plan.max_blocks as usize));
        Self { plan, rule, regular: 0, repeated: 0, repeats: Repeats::default() }
    }

    /// What comes next after `elapsed` seconds. At each check of the precision, and at the end, disturbed
    /// blocks are repeated first. `is_precise` is called only at a check, with the rule, the blocks that
    /// count, and the blocks that do not.
    pub(crate) fn next(
        &self,
        elapsed: f64,
        is_precise: &dyn Fn(&Precision, usize, &BTreeSet<u32>) -> bool,
    ) -> Result<Turn, SessionEnd> {
        let fits = self.fits(elapsed);
        let all_ran = self.regular >= self.plan.max_blocks;
        let looks = self.rule.filter(|rule| rule.looks_at(self.regular as usize));
        if (all_ran || looks.is_some()) && self.repeats_left() > 0 && fits {
            return Ok(Turn { block: self.plan.max_blocks + self.repeated, is_repeat: true });
        }
        if all_ran {
            return Err(SessionEnd::Complete);
        }
        if looks.is_some_and(|rule| is_precise(&rule, self.regular as usize, self.repeats.replaced())) {
            return Err(SessionEnd::Precise);
        }
        match fits || self.regular < self.plan.min_blocks {
            true => Ok(Turn { block: self.regular, is_repeat: false }),
            false => Err(SessionEnd::TimeLimit),
        }
    }

    /// A block has ended.
    pub(crate) fn ended(&mut self, turn: Turn, is_disturbed: bool) {
        match turn.is_repeat {
            true => self.repeated += 1,
            false => self.regular += 1,
        }
        self.repeats.ended(turn.block, turn.is_repeat, is_disturbed);
    }

    /// Blocks for which a repeat stands.
    pub(crate) fn replaced(&self) -> &BTreeSet<u32> {
        self.repeats.replaced()
    }

    /// Blocks that have ended.
    pub(crate) fn done(&self) -> u32 {
        self.regular + self.repeated
    }

    /// Number of blocks that will probably have run in the end, predicted after `elapsed` seconds.
    pub(crate) fn expected(&self, elapsed: f64) -> u32 {
        let planned = self.plan.max_blocks + self.repeated + self.repeats_left();
        match (self.plan.time_limit, self.done()) {
            (Some(limit), done @ 1..) => {
                let fitting = (limit / (elapsed / f64::from(done))).floor().clamp(0.0, f64::from(planned));
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                let fitting = fitting as u32;
                fitting.clamp(self.plan.min_blocks.max(done).min(planned), planned)
            }
            _ => planned,
        }
    }

    /// Whether one more block would probably end before the time limit.
    fn fits(&self, elapsed: f64) -> bool {
        let one = elapsed / f64::from(self.done().max(1));
        self.plan.time_limit.is_none_or(|limit| self.done() == 0 || elapsed + one <= limit)
    }

    /// Number of disturbed blocks that may still be repeated. The fraction of repeated blocks is at most the
    /// fraction of spare blocks in the plan.
    fn repeats_left(&self) -> u32 {
        let share = u64::from(self.plan.spare) * u64::from(self.regular);
        let allowed = share / u64::from(self.plan.max_blocks.max(1));
        let waiting = u64::from(u32::try_from(self.repeats.waiting().len()).unwrap_or(u32::MAX));
        u32::try_from(waiting.min(allowed.saturating_sub(self.repeated.into()))).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{Budget, CpuSet};
    use isotare_plan::{Blocks, Design, plan};
    use proptest::prelude::*;

    fn planned(blocks: Blocks, change: impl FnOnce(&mut Design)) -> Plan {
        let budget = Budget { cpus: CpuSet::new([0]).expect("not empty"), memory: 1 << 20, processes: None };
        let mut design = Design {
            environments: vec!["a".parse().expect("valid")],
            workloads: vec!["w".parse().expect("valid")],
            blocks,
            ..Design::new(budget, 1)
        };
        change(&mut design);
        plan(&design).expect("valid")
    }

    /// Runs a session whose blocks take one second each. `disturbed`: the disturbed blocks, in the order in
    /// which they run. From `precise_at` blocks on, the session is precise enough.
    fn run(plan: &Plan, disturbed: &[usize], precise_at: usize) -> (Vec<u32>, SessionEnd, Vec<u32>) {
        let mut queue = Queue::new(plan);
        let mut ran = Vec::new();
        loop {
            match queue.next(f64::from(queue.done()), &|_, blocks, _| blocks >= precise_at) {
                Ok(turn) => {
                    queue.ended(turn, disturbed.contains(&ran.len()));
                    ran.push(turn.block);
                }
                Err(end) => return (ran, end, queue.repeats.replaced().iter().copied().collect()),
            }
        }
    }

    #[test]
    fn disturbed_blocks_are_repeated_at_the_end_in_their_order() {
        let plan = planned(Blocks::exactly(8), |_| {});
        assert_eq!((plan.max_blocks, plan.spare, plan.order.len()), (8, 2, 30));
        let all: Vec<u32> = (0..8).collect();
        assert_eq!(run(&plan, &[], 0), (all.clone(), SessionEnd::Complete, vec![]));
        let (ran, end, replaced) = run(&plan, &[5, 2], 0);
        assert_eq!((ran, end, replaced), ([&all[..], &[8, 9]].concat(), SessionEnd::Complete, vec![2, 5]));
        let (ran, _, replaced) = run(&plan, &[3, 8], 0);
        assert_eq!((ran.len(), replaced), (10, vec![3, 8]), "a disturbed repeat is repeated too");
        let (ran, _, replaced) = run(&plan, &[0, 1, 2, 3], 0);
        assert_eq!((ran.len(), replaced), (10, vec![0, 1]), "as long as there are spare blocks");
        let none = planned(Blocks::exactly(8), |design| design.repeats = 0.0);
        assert_eq!(run(&none, &[0, 1], 0), (all, SessionEnd::Complete, vec![]));
    }

    #[test]
    fn precision_is_checked_at_fixed_blocks_after_due_repeats() {
        let plan = planned(Blocks { min: 6, max: 100 }, |design| design.precision = Some(0.01));
        assert_eq!((run(&plan, &[], 1).0.len(), run(&plan, &[], 1).1), (20, SessionEnd::Precise));
        assert_eq!(run(&plan, &[], 21).0.len(), 30, "no look in between");
        assert_eq!((run(&plan, &[], 101).0.len(), run(&plan, &[], 101).1), (100, SessionEnd::Complete));
        let (ran, end, replaced) = run(&plan, &[4], 20);
        assert_eq!((ran[19], ran[20], end, replaced), (19, 100, SessionEnd::Precise, vec![4]));
        let (ran, _, replaced) = run(&plan, &[4], 21);
        assert_eq!(
            (ran[20], ran[21], ran.len(), replaced),
            (100, 20, 31, vec![4]),
            "it goes on after the repeat"
        );
        let all: Vec<usize> = (0..1000).collect();
        assert_eq!(run(&plan, &all, 20).0.len(), 25, "a quarter of the blocks so far, not of the plan");
    }

    #[test]
    fn a_time_limit_ends_the_session_between_blocks() {
        let timed =
            |limit: f64, max| planned(Blocks { min: 6, max }, |design| design.time_limit = Some(limit));
        assert_eq!(
            (run(&timed(10.0, 20), &[], 0).0.len(), run(&timed(10.0, 20), &[], 0).1),
            (10, SessionEnd::TimeLimit)
        );
        assert_eq!(run(&timed(2.0, 20), &[], 0).0.len(), 6, "the fewest run in any case");
        assert_eq!(run(&timed(100.0, 20), &[], 0).1, SessionEnd::Complete);
        let (ran, end, _) = run(&timed(20.5, 20), &[1, 2], 0);
        assert_eq!((ran.len(), end), (20, SessionEnd::Complete), "no time for repeats");
        assert_eq!(run(&timed(21.5, 20), &[1, 2], 0).0.len(), 21, "time for one");
    }

    #[test]
    fn the_expected_number_of_blocks_follows_time_and_noise() {
        let plan = planned(Blocks { min: 6, max: 20 }, |design| design.time_limit = Some(10.0));
        let mut queue = Queue::new(&plan);
        assert_eq!(queue.expected(0.0), 20);
        queue.ended(Turn { block: 0, is_repeat: false }, false);
        assert_eq!((queue.expected(1.0), queue.expected(9.0), queue.expected(0.1)), (10, 6, 20));
        (1..4).for_each(|block| queue.ended(Turn { block, is_repeat: false }, true));
        assert_eq!(queue.expected(0.1), 21, "one of four may be repeated");
    }

    proptest! {
        #[test]
        fn every_session_ends_within_its_limits(
            max in 6_u32..120, repeats in 0.0_f64..1.0, stops: bool,
            disturbed in prop::collection::vec(any::<bool>(), 0..250), precise_at in 0_usize..150,
            limit in prop::option::of(1.0_f64..150.0),
        ) {
            let plan = planned(Blocks { min: 6, max }, |design| {
                (design.repeats, design.precision, design.time_limit) = (repeats, stops.then_some(0.01), limit);
            });
            let which: Vec<usize> = (0..disturbed.len()).filter(|at| disturbed[*at]).collect();
            let (ran, end, replaced) = run(&plan, &which, precise_at);
            let spare = ran.iter().filter(|block| **block >= max).count();
            let regular = ran.len() - spare;
            prop_assert!(spare as f64 <= repeats * regular as f64 + 1e-9);
            prop_assert!(regular >= 6 && regular <= max as usize && replaced.len() == spare);
            prop_assert!(limit.is_none_or(|limit| ran.len() as f64 <= limit.max(6.0)));
            prop_assert!(ran.iter().all(|block| !plan.block(*block).is_empty()));
            prop_assert_eq!(end == SessionEnd::Precise, stops && regular < max as usize && end != SessionEnd::TimeLimit);
            let mut once = ran.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), ran.len());
        }
    }
}
