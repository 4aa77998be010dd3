//! Running totals per role. Pure.
//!
//! When a process has been waited for, the kernel adds its counters to its parent's sum of reaped children.
//! Earlier readings have already counted most of this for the role of the process. So from the growth of the
//! nearest surviving ancestor's sum, the known counters of the vanished processes are subtracted. The rest
//! was not seen by any reading: the last part of the vanished processes, and processes that started and ended
//! between two readings. It counts for the role of the ancestor. If the sum was not passed on (an ancestor
//! that ignores SIGCHLD, an adoption by init), nothing is subtracted, and the vanished processes keep their
//! counters. So totals never decrease.

use super::counts::Counts;
use isotare_core::Role;
use std::collections::{BTreeMap, HashMap};

/// What is known of a process between readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Identity together with the process id.
    pub start: u64,
    /// Its parent, tracked or not.
    pub parent: u32,
    /// Its counters at its last reading, with those of reaped children.
    pub all: Counts,
    /// The part of it that can come from reaped children.
    pub reapable: Counts,
    /// How much that part grew at the present reading.
    pub reaped_now: Counts,
}

/// Takes back from each survivor what `vanished` processes had already been counted for.
pub(crate) fn settle(
    vanished: &[(u32, Known)],
    alive: impl Fn(u32) -> Option<(Role, Counts)>,
    totals: &mut BTreeMap<Role, Counts>,
) {
    let gone: HashMap<u32, &Known> = vanished.iter().map(|(pid, known)| (*pid, known)).collect();
    let mut expected: BTreeMap<u32, Counts> = BTreeMap::new();
    for (_, known) in vanished {
        let mut ancestor = known.parent;
        // Ids form no cycles but by reuse; the bound makes sure.
        for _ in 0..=gone.len() {
            match gone.get(&ancestor) {
                Some(also_gone) => ancestor = also_gone.parent,
                None => break,
            }
        }
        let sum = expected.entry(ancestor).or_default();
        *sum = sum.plus(known.all);
    }
    for (pid, had) in expected {
        if let Some((role, reaped_now)) = alive(pid) {
            let total = totals.entry(role).or_default();
            *total = total.minus(had.min(reaped_now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::counts::Counter;
    use super::*;

    fn user(ticks: u64) -> Counts {
        let mut counts = Counts::default();
        counts[Counter::User] = ticks;
        counts
    }

    fn known(parent: u32, ticks: u64) -> Known {
        Known { parent, all: user(ticks), ..Known::default() }
    }

    /// The total of `role`. Process 1 has this role and a total of 100, and gained `gained` by waiting for
    /// its children.
    fn check(vanished: &[(u32, Known)], gained: u64, expect: u64) {
        let mut totals = BTreeMap::from([(Role::Shim, user(100))]);
        settle(vanished, |pid| (pid == 1).then(|| (Role::Shim, user(gained))), &mut totals);
        assert_eq!(totals[&Role::Shim], user(expect));
    }

    #[test]
    fn time_that_was_read_already_is_counted_once() {
        check(&[(2, known(1, 30))], 35, 70);
        check(&[(2, known(1, 30)), (3, known(1, 5))], 35, 65);
    }

    #[test]
    fn times_of_an_ended_branch_go_to_the_nearest_living_ancestor() {
        check(&[(2, known(1, 30)), (3, known(2, 20)), (4, known(3, 1))], 60, 49);
    }

    #[test]
    fn only_time_that_was_passed_on_is_subtracted() {
        check(&[(2, known(1, 30))], 0, 100);
        check(&[(2, known(9, 30))], 50, 100);
    }

    #[test]
    fn a_cycle_of_reused_ids_is_no_endless_loop() {
        check(&[(2, known(3, 1)), (3, known(2, 1))], 50, 100);
    }
}
