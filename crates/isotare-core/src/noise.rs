//! What disturbed a trial, and which blocks are therefore measured again.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// The result of the canary: a fixed piece of native work that runs before and after every trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Arithmetic in registers, s.
    pub integer: f64,
    /// Dependent reads from memory beyond the caches, s.
    pub memory: f64,
    /// Share of its time in which it did not have a CPU.
    pub waited: f64,
}

/// The state of the machine around one trial. Values that could not be read are absent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// The canary when the session began; the same for all its trials.
    pub reference: Canary,
    /// The canary immediately before the instance was created.
    pub before: Canary,
    /// The canary immediately after the instance was deleted.
    pub after: Canary,
    /// What the host counted from create to delete, for all its processes.
    pub host: HostNoise,
    /// How often and for how long a CPU quota throttled the instance's cgroup during the work.
    pub throttled: Option<Throttled>,
}

/// Counters of the whole host over one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostNoise {
    /// Time in which some task waited for a CPU, s.
    pub pressure_cpu: Option<f64>,
    /// Time in which some task waited for memory, s.
    pub pressure_memory: Option<f64>,
    /// Time in which some task waited for I/O, s.
    pub pressure_io: Option<f64>,
    /// CPU time that the hypervisor gave to others, s, summed over CPUs.
    pub steal: Option<f64>,
    /// Time that tasks waited in run queues, s, summed over CPUs.
    pub run_delay: Option<f64>,
    /// Page faults that had to wait for a device.
    pub major_faults: Option<f64>,
}

/// How a CPU quota throttled a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throttled {
    /// Number of periods in which it was throttled.
    pub periods: u64,
    /// For how long, s.
    pub time: f64,
}

/// When a trial counts as disturbed. Only the canary decides this. It runs while no instance exists, so an
/// environment cannot cause its own repetition. The thresholds are fixed before the first trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Longest time of the canary's arithmetic, as a multiple of the reference.
    pub integer: f64,
    /// Longest time of its reads, as a multiple of the reference.
    pub memory: f64,
    /// Largest share of its time without a CPU.
    pub waited: f64,
}

impl Gate {
    /// Whether the machine was too slow, or too busy, before or after a trial.
    pub fn is_disturbed(&self, noise: &Noise) -> bool {
        [noise.before, noise.after].iter().any(|seen| {
            let [integer, memory] = seen.relative_to(&noise.reference);
            integer > self.integer || memory > self.memory || seen.waited > self.waited
        })
    }
}

impl Canary {
    /// Arithmetic and reads as multiples of those of `reference`.
    pub fn relative_to(&self, reference: &Canary) -> [f64; 2] {
        [self.integer / reference.integer, self.memory / reference.memory]
    }
}

/// Which repeat replaces which disturbed block. The blocks are reported in the order in which they end. A
/// disturbed block waits for a repeat, and each repeat replaces the block that has waited longest. A repeat
/// that is itself disturbed waits too. So the number of blocks that count is the same as without noise.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    waiting: VecDeque<u32>,
    replaced: BTreeSet<u32>,
}

impl Repeats {
    /// A block has ended.
    pub fn ended(&mut self, block: u32, is_repeat: bool, is_disturbed: bool) {
        if is_repeat {
            self.replaced.extend(self.waiting.pop_front());
        }
        if is_disturbed {
            self.waiting.push_back(block);
        }
    }

    /// Disturbed blocks without a repeat, in the order in which they ran.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = u32> {
        self.waiting.iter().copied()
    }

    /// Blocks that were replaced by repeats. They are stored and counted, but they are not part of any
    /// estimate.
    pub fn replaced(&self) -> &BTreeSet<u32> {
        &self.replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(before: [f64; 2], after: [f64; 2]) -> Noise {
        let canary = |[integer, memory]: [f64; 2]| Canary { integer, memory, waited: 0.01 };
        Noise {
            reference: canary([0.002, 0.001]),
            before: canary(before),
            after: canary(after),
            host: HostNoise::default(),
            throttled: None,
        }
    }

    #[test]
    fn only_the_canary_decides_whether_a_block_is_disturbed() {
        let gate = Gate { integer: 1.25, memory: 1.5, waited: 0.25 };
        let quiet = noise([0.0024, 0.0014], [0.001, 0.0005]);
        assert!(!gate.is_disturbed(&quiet), "slower within the thresholds, and faster");
        let host = HostNoise { pressure_cpu: Some(9.0), steal: Some(9.0), ..HostNoise::default() };
        assert!(!gate.is_disturbed(&Noise { host, ..quiet }), "what an environment may cause itself");
        assert!(gate.is_disturbed(&noise([0.0026, 0.001], [0.002, 0.001])));
        assert!(gate.is_disturbed(&noise([0.002, 0.001], [0.002, 0.0016])));
        let after = Canary { waited: 0.3, ..quiet.after };
        assert!(gate.is_disturbed(&Noise { after, ..quiet }), "something else had the CPU");
    }

    #[test]
    fn a_repeat_replaces_the_block_that_waited_longest() {
        let mut repeats = Repeats::default();
        for (block, is_repeat, is_disturbed) in [
            (0, false, false),
            (1, false, true),
            (2, false, true),
            (6, true, true),  // for 1, disturbed itself
            (7, true, false), // for 2
            (3, false, true),
            (8, true, false), // for 6
        ] {
            repeats.ended(block, is_repeat, is_disturbed);
        }
        assert_eq!(repeats.replaced().iter().copied().collect::<Vec<_>>(), [1, 2, 6]);
        assert_eq!(repeats.waiting().collect::<Vec<_>>(), [3]);
    }

    proptest::proptest! {
        /// Each repeat adds a block and removes another one.
        #[test]
        fn repeats_do_not_change_the_number_of_blocks_that_count(
            blocks in proptest::collection::vec((proptest::bool::ANY, proptest::bool::ANY), 0..60),
        ) {
            let mut repeats = Repeats::default();
            let (mut regular, mut all) = (0, 0);
            for (wants_repeat, is_disturbed) in blocks {
                let is_repeat = wants_repeat && repeats.waiting().len() > 0;
                repeats.ended(all, is_repeat, is_disturbed);
                all += 1;
                regular += u32::from(!is_repeat);
                proptest::prop_assert_eq!(all as usize - repeats.replaced().len(), regular as usize);
                proptest::prop_assert!(repeats.waiting().all(|block| !repeats.replaced().contains(&block)));
            }
        }
    }
}
