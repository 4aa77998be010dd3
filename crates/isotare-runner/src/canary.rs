//! The canary: a fixed piece of native work of a few milliseconds, timed while there is no instance.
//!
//! What slows a trial without being its environment's doing (neighbours, frequency, a hypervisor that gives the CPU to
//! others, full memory buses) mostly lasts longer than the trial and slows the canary too, also where the kernel's own counters see
//! nothing of it.

use isotare_core::{Canary, CpuSet};
use isotare_host::now;
use isotare_stats::median;
use rustix::thread::{CpuSet as Affinity, sched_setaffinity};
use std::hint::black_box;
use std::time::Duration;

/// Rounds of each part, of which the median counts: one that is interrupted for a moment does not.
const ROUNDS: usize = 5;
/// Steps of arithmetic in a round, about a millisecond.
const STEPS: u32 = 400_000;
/// Cache lines that are read in a round, each once: 4 MiB, beyond the caches of one core on most machines and within what it
/// shares with others.
const LINES: u32 = 1 << 16;

/// One cache line, of which the first word names the next line to read.
type Line = [u32; 16];

/// Everything that a canary needs, made once so that each looks at the same memory.
pub(crate) struct Probe {
    lines: Vec<Line>,
    cpus: Affinity,
}

impl Probe {
    /// For the CPUs that instances run on.
    pub(crate) fn new(cpus: &CpuSet) -> Self {
        let mut affinity = Affinity::new();
        let known = cpus.iter().map(|cpu| cpu as usize).filter(|cpu| *cpu < Affinity::MAX_CPU);
        known.for_each(|cpu| affinity.set(cpu));
        Self { lines: ring(LINES), cpus: affinity }
    }

    /// Runs the canary once, on a thread that may use those CPUs only.
    pub(crate) fn run(&self) -> Canary {
        std::thread::scope(|scope| {
            let work = || {
                // Where it is not allowed, any CPU has to do.
                let _not_pinned = sched_setaffinity(None, &self.cpus);
                self.time()
            };
            let thread =
                std::thread::Builder::new().name("isotare-canary".to_owned()).spawn_scoped(scope, work);
            match thread.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(canary)) => canary,
                // No thread to be had: this one.
                _ => self.time(),
            }
        })
    }

    fn time(&self) -> Canary {
        // What ran before has filled the caches with its own.
        black_box(self.lines.iter().fold(0, |sum: u32, line| sum.wrapping_add(line[0])));
        let integer = median_round(|| arithmetic(black_box(STEPS)));
        let memory = median_round(|| self.walk(black_box(LINES)).into());
        Canary { integer, memory }
    }

    /// Follows the ring, so that each read waits for the one before.
    fn walk(&self, steps: u32) -> u32 {
        (0..steps).fold(0, |at, _| self.lines[at as usize][0])
    }
}

/// Median time of [`ROUNDS`] rounds, s.
fn median_round(round: impl Fn() -> u64) -> f64 {
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            black_box(round());
            now().since(start).max(Duration::from_nanos(1)).as_secs_f64()
        })
        .collect();
    median(&times).unwrap_or(f64::NAN)
}

/// Steps of splitmix64, each of which needs the one before.
fn arithmetic(steps: u32) -> u64 {
    (0..steps).fold(0, |state: u64, _| mix(state))
}

fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One random cycle through all lines (Sattolo), always the same one.
fn ring(count: u32) -> Vec<Line> {
    let mut next: Vec<u32> = (0..count).collect();
    let mut state = 0;
    for last in (1..next.len()).rev() {
        state = mix(state);
        next.swap(last, (state % last as u64) as usize);
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
        let probe = Probe { lines: ring(1 << 10), cpus: Affinity::new() };
        let mut seen = vec![false; 1 << 10];
        let mut at = 0;
        for _ in 0..1 << 10 {
            assert!(!std::mem::replace(&mut seen[at as usize], true), "{at} twice");
            at = probe.lines[at as usize][0];
        }
        assert_eq!((at, probe.walk(1 << 10)), (0, 0), "back at the start");
    }

    #[test]
    fn it_takes_a_few_milliseconds_even_where_it_may_not_choose_its_cpu() {
        let nowhere = CpuSet::new([1_000_000]).expect("not empty");
        for cpus in [CpuSet::new([0]).expect("not empty"), nowhere] {
            let canary = Probe::new(&cpus).run();
            for part in [canary.integer, canary.memory] {
                assert!((1e-5..0.5).contains(&part), "{canary:?}");
            }
        }
    }
}
