//! The order of trials: random blocks, fixed by a seed, the same on every machine and in every version.
//!
//! A block holds each condition once. Workloads come in a random order, and the environments of one workload
//! follow each other in a random order of their own, so that the trials that are compared with each other are
//! close in time. The shuffle is implemented here, because the order of a seed must not change when a library
//! changes.

use isotare_core::{Condition, Sha256, Slot, WorkloadSpec};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// `blocks` blocks of every condition, in the random order that `seed` determines.
pub fn schedule(conditions: &[Condition], blocks: u32, seed: u64) -> Vec<Slot> {
    let mut random = generator(seed);
    let mut groups = by_workload(conditions);
    let mut order = Vec::with_capacity(conditions.len() * blocks as usize);
    for block in 0..blocks {
        shuffle(&mut groups, &mut random);
        for group in &mut groups {
            shuffle(group, &mut random);
            order.extend(group.iter().map(|&condition| Slot { block, condition }));
        }
    }
    order
}

/// SHA-256 of an order, in hexadecimal: two sessions with the same hash ran the same order.
pub fn hash(order: &[Slot]) -> String {
    let mut digest = Sha256::default();
    for slot in order {
        digest.update(slot.block.to_le_bytes());
        digest.update((slot.condition as u64).to_le_bytes());
    }
    digest.hex()
}

/// The seed is the key's first eight bytes; the rest is zero.
fn generator(seed: u64) -> ChaCha12Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha12Rng::from_seed(key)
}

/// Indices of the conditions by workload, in order of first appearance.
fn by_workload(conditions: &[Condition]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(&WorkloadSpec, Vec<usize>)> = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        match groups.iter_mut().find(|(workload, _)| *workload == &condition.workload) {
            Some((_, group)) => group.push(index),
            None => groups.push((&condition.workload, vec![index])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Fisher and Yates: every permutation is equally probable.
fn shuffle<T>(items: &mut [T], random: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        #[expect(clippy::cast_possible_truncation, reason = "at most `last`")]
        let other = below(last as u64 + 1, random) as usize;
        items.swap(last, other);
    }
}

/// A random whole number below `end`, all equally probable. Draws from the incomplete last part of the range
/// are rejected.
fn below(end: u64, random: &mut impl Rng) -> u64 {
    let whole = u64::MAX - u64::MAX % end;
    loop {
        let drawn = random.next_u64();
        if drawn < whole {
            return drawn % end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::EnvironmentSpec;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn conditions(environments: usize, workloads: usize) -> Vec<Condition> {
        let environment = |e: usize| format!("e{e}").parse::<EnvironmentSpec>().expect("valid");
        let cell = |w: usize, e: usize| Condition {
            environment: environment(e),
            workload: WorkloadSpec::plain(&format!("w{w}")),
        };
        (0..environments).flat_map(|e| (0..workloads).map(move |w| cell(w, e))).collect()
    }

    #[test]
    fn the_order_for_a_seed_never_changes() {
        let order = schedule(&conditions(3, 2), 3, 42);
        let written: Vec<_> = order.iter().map(|slot| slot.condition).collect();
        insta::assert_snapshot!(format!("{written:?}"), @"[2, 0, 4, 1, 3, 5, 0, 4, 2, 3, 1, 5, 3, 5, 1, 2, 0, 4]");
        insta::assert_snapshot!(hash(&order), @"75c88e836245209a85338a3878804207d5d36a968d489f07c58d12bef2d280ea");
        assert_ne!(hash(&order), hash(&schedule(&conditions(3, 2), 3, 43)));
    }

    #[test]
    fn every_order_of_a_block_comes_up_about_equally_often() {
        let order = schedule(&conditions(3, 1), 6_000, 7);
        let mut seen: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        for block in order.chunks(3) {
            *seen.entry(block.iter().map(|slot| slot.condition).collect()).or_default() += 1;
        }
        assert_eq!(seen.len(), 6);
        // Binomial(6000, 1/6) has a standard deviation of 29.
        assert!(seen.values().all(|&n| (850..=1150).contains(&n)), "{seen:?}");
    }

    proptest! {
        #[test]
        fn each_condition_is_in_each_block_once_and_workloads_stay_together(
            environments in 1_usize..6, workloads in 1_usize..5, blocks in 0_u32..8, seed: u64,
        ) {
            let conditions = conditions(environments, workloads);
            let order = schedule(&conditions, blocks, seed);
            prop_assert_eq!(&order, &schedule(&conditions, blocks, seed));
            prop_assert_eq!(order.len(), conditions.len() * blocks as usize);
            for (block, slots) in order.chunks(conditions.len()).enumerate() {
                prop_assert!(slots.iter().all(|slot| slot.block as usize == block));
                let once: BTreeSet<_> = slots.iter().map(|slot| slot.condition).collect();
                prop_assert_eq!(once, (0..conditions.len()).collect::<BTreeSet<_>>());
                for stretch in slots.chunks(environments) {
                    let one: BTreeSet<_> =
                        stretch.iter().map(|slot| &conditions[slot.condition].workload).collect();
                    prop_assert_eq!(one.len(), 1);
                }
            }
        }
    }
}
