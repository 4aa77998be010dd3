//! sysbench's `mutex`: an event locks a number of random mutexes of an array, with an empty loop before each
//! lock.
//!
//! sysbench does one event in each thread and ends; here events repeat, which needs a smaller number of locks
//! for one.

use super::engine::{Event, Work};
use super::random::Random;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A mutex and what it guards, padded as sysbench pads them.
#[repr(align(256))]
struct Lock(Mutex<u64>);

/// The array.
pub struct Mutexes {
    locks: Vec<Lock>,
    locks_per_event: u32,
    loops: u32,
    shared: AtomicU64,
}

impl Mutexes {
    /// Makes the array.
    pub fn prepare(mutexes: u32, locks_per_event: u32, loops: u32) -> Result<Self, String> {
        if mutexes == 0 || locks_per_event == 0 {
            return Err("the mutex workload needs at least 1 mutex and 1 lock".to_owned());
        }
        let locks = (0..mutexes).map(|_| Lock(Mutex::new(0))).collect();
        Ok(Self { locks, locks_per_event, loops, shared: AtomicU64::new(0) })
    }
}

impl Work for Mutexes {
    type Worker = Random;

    fn worker(&self, random: Random) -> Result<Random, String> {
        Ok(random)
    }

    fn event(&self, random: &mut Random) -> Result<Event, String> {
        for _ in 0..self.locks_per_event {
            let lock = &self.locks[random.below(self.locks.len())].0;
            for turn in 0..self.loops {
                black_box(turn);
            }
            let mut held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            *held += 1;
            // The variable that sysbench shares between all locks: plain load and store, as its
            // `global_var++` is.
            self.shared.store(self.shared.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
            drop(held);
        }
        Ok(Event::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lock_is_counted_under_its_mutex() {
        let work = Mutexes::prepare(4, 100, 3).expect("valid");
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let work = &work;
                scope.spawn(move || work.event(&mut Random::new(thread)).expect("works"));
            }
        });
        let sum: u64 = work.locks.iter().map(|lock| *lock.0.lock().expect("whole")).sum();
        assert_eq!(sum, 300);
    }
}
