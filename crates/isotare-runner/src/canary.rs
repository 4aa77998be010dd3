//! The canary: a fixed piece of native work of about ten milliseconds. It is timed while no instance exists.
//!
//! A trial can be slowed by causes outside its environment, such as neighbours, the CPU frequency, a
//! hypervisor that gives the CPU to others, or busy memory buses. They usually last longer than the trial, so
//! they slow the canary too, even if the kernel's counters do not show them.

use isotare_core::{Canary, CpuSet};
use isotare_host::{now, thread_cpu_time};
use isotare_stats::median;
use rustix::thread::{CpuSet as Affinity, sched_setaffinity};
use std::hint::black_box;
use std::time::Duration;

/// Rounds of each part. The median of the rounds is used, so that a single interrupted round has no
/// influence.
const ROUNDS: usize = 5;
/// Steps of arithmetic in a round, about a millisecond.
const STEPS: u32 = 200_000;
/// Reads in a round, about a millisecond.
const READS: u32 = 1 << 12;
/// Cache lines to read from, 64 MiB. Each canary continues where the last one ended. Before a line is read
/// again, all others have been read, so it is no longer in a cache that is smaller than 64 MiB. Data that a
/// trial left in the caches has no influence.
const LINES: u32 = 1 << 20;

/// One cache line. Its first word is the number of the next line to read.
type Line = [u32; 16];

/// Everything that canaries need.
pub(crate) struct Canaries {
    lines: Vec<Line>,
    /// The next line to read.
    at: u32,
    cpus: Affinity,
}

impl Canaries {
    /// For the CPUs that instances run on.
    pub(crate) fn new(cpus: &CpuSet) -> Self {
        let mut affinity = Affinity::new();
        let known = cpus.iter().map(|cpu| cpu as usize).filter(|cpu| *cpu < Affinity::MAX_CPU);
        known.for_each(|cpu| affinity.set(cpu));
        Self { lines: ring(LINES), at: 0, cpus: affinity }
    }

    /// Runs the canary once, on a thread that may use only those CPUs.
    pub(crate) fn run(&mut self) -> Canary {
        let cpus = self.cpus;
        let mut work = || {
            // If this is not allowed, any CPU is used.
            let _not_pinned = sched_setaffinity(None, &cpus);
            self.time()
        };
        let done = std::thread::scope(|scope| {
            let named = std::thread::Builder::new().name("isotare-canary".to_owned());
            named.spawn_scoped(scope, &mut work).ok()?.join().ok()
        });
        // If no thread can be started, this thread is used.
        done.unwrap_or_else(|| self.time())
    }

    fn time(&mut self) -> Canary {
        let (start, cpu_start) = (now(), thread_cpu_time());
        let integer = median_round(|| _ = black_box(arithmetic(black_box(STEPS))));
        let memory = median_round(|| self.read(black_box(READS)));
        let (took, used) = (now().since(start), thread_cpu_time().saturating_sub(cpu_start));
        let waited = took.saturating_sub(used).as_secs_f64() / took.as_secs_f64().max(1e-9);
        Canary { integer, memory, waited }
    }

    /// Follows the ring, so that each read depends on the one before.
    fn read(&mut self, count: u32) {
        self.at = (0..count).fold(self.at, |at, _| self.lines[at as usize][0]);
    }
}

/// Median time of [`ROUNDS`] rounds, s.
fn median_round(mut round: impl FnMut()) -> f64 {
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            round();
            now().since(start).max(Duration::from_nanos(1)).as_secs_f64()
        })
        .collect();
    median(&times).unwrap_or(f64::NAN)
}

/// Steps of splitmix64. Each step depends on the one before.
fn arithmetic(steps: u32) -> u64 {
    (0..steps).fold(0, |state: u64, _| mix(state))
}

fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random cycle through all lines (Sattolo). It is always the same cycle.
fn ring(count: u32) -> Vec<Line> {
    let mut next: Vec<u32> = (0..count).collect();
    let mut state = 0;
    for last in (1..next.len()).rev() {
        state = mix(state);
        #[expect(clippy::cast_possible_truncation, reason = "below `last`")]
        let other = (state % last as u64) as usize;
        next.swap(last, other);
    }
    next.into_iter()
        .map(|at| {
            let mut line = [0; 16];
            line[0] = at;
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_visits_every_line_once() {
        let mut canaries = Canaries { lines: ring(1 << 10), at: 0, cpus: Affinity::new() };
        let mut seen = vec![false; 1 << 10];
        for _ in 0..1 << 10 {
            assert!(!std::mem::replace(&mut seen[canaries.at as usize], true), "{} twice", canaries.at);
            canaries.read(1);
        }
        assert_eq!(canaries.at, 0, "back at the start");
    }

    #[test]
    fn the_canary_takes_milliseconds_even_without_a_cpu_of_its_own() {
        let nowhere = CpuSet::new([1_000_000]).expect("not empty");
        for cpus in [CpuSet::new([0]).expect("not empty"), nowhere] {
            let mut canaries = Canaries::new(&cpus);
            let canary = canaries.run();
            for part in [canary.integer, canary.memory] {
                assert!((1e-5..0.5).contains(&part), "{canary:?}");
            }
            assert!((0.0..1.0).contains(&canary.waited), "{canary:?}");
            assert_ne!(canaries.at, 0, "the next one reads other lines");
        }
    }

    #[test]
    fn a_cpu_that_others_use_is_noticed() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let done = AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            let spin = || {
                let mut affinity = Affinity::new();
                affinity.set(0);
                sched_setaffinity(None, &affinity).expect("CPU 0 may be used");
                while !done.load(Ordering::Relaxed) {
                    black_box(arithmetic(1_000));
                }
            };
            (0..3).for_each(|_| drop(scope.spawn(spin)));
            let mut canaries = Canaries::new(&CpuSet::new([0]).expect("not empty"));
            let seen: Vec<f64> = (0..9).map(|_| canaries.run().waited).collect();
            done.store(true, Ordering::Relaxed);
            median(&seen).expect("nine")
        });
        assert!(waited > 0.33, "{waited} of its time among three others");
    }
}
