//! A deliberate load on the machine: on each processor work and rest in turn, for lengths of time drawn at
//! random.

use crate::noise::Source;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shortest and longest stretch of work or rest, s: longer than a run of the command, shorter than a
/// comparison.
const STRETCH: (f64, f64) = (0.5, 6.0);

/// The load, until it is dropped.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins it, one thread for each processor.
    pub fn start(seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..processors as u64)
            .map(|processor| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || alternate(&mut Source::new(seed + processor), &stop))
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has stopped as well.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn alternate(source: &mut Source, stop: &AtomicBool) {
    let mut is_busy = source.uniform() < 0.5;
    while !stop.load(Ordering::Relaxed) {
        let (shortest, longest) = STRETCH;
        let end =
            Instant::now() + Duration::from_secs_f64(shortest + (longest - shortest) * source.uniform());
        while Instant::now() < end && !stop.load(Ordering::Relaxed) {
            match is_busy {
                true => (0..10_000_u32).for_each(|turn| {
                    black_box(turn);
                }),
                false => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        is_busy = !is_busy;
    }
}
