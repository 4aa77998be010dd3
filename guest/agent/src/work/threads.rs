//! sysbench's `threads`: an event repeats lock, yield, unlock on one of the mutexes, which are used in turn.
//!
//! The mutex is Rust's, a futex like glibc's; it is smaller (4 bytes where glibc's has 40) and spins for
//! about a hundred turns before it sleeps, where glibc's default one sleeps at once. Mutexes lie in cache
//! lines of their own.

use super::engine::{Event, Work};
use super::random::Random;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A mutex alone in its cache lines.
#[repr(align(128))]
struct Lock(Mutex<()>);

/// The mutexes.
pub struct Threads {
    yields: u32,
    locks: Vec<Lock>,
    turn: AtomicUsize,
}

impl Threads {
    /// Makes the mutexes.
    pub fn prepare(yields: u32, locks: u32) -> Result<Self, String> {
        if yields == 0 || locks == 0 {
            return Err("the threads workload needs at least 1 yield and 1 lock".to_owned());
        }
        Ok(Self {
            yields,
            locks: (0..locks).map(|_| Lock(Mutex::new(()))).collect(),
            turn: AtomicUsize::new(0),
        })
    }
}

impl Work for Threads {
    type Worker = ();

    fn worker(&self, _: Random) -> Result<(), String> {
        Ok(())
    }

    fn event(&self, (): &mut ()) -> Result<Event, String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.locks.len();
        let lock = &self.locks[turn].0;
        for _ in 0..self.yields {
            let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            std::thread::yield_now();
            drop(held);
        }
        Ok(Event::default())
    }
}
