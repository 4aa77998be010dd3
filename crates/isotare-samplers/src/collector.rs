//! The thread that reads samplers over a window.

use crate::Samplers;
use isotare_core::{Footprint, Reading, SamplerError, Timestamp};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Reads samplers from its start to its finish, on a thread of its own.
pub struct Collector {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Collected>>,
}

type Collected = (Vec<Reading>, Vec<SamplerError>);

#[derive(Default)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    first_done: bool,
    finish: bool,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the starter go on even if the first reading panics.
struct FirstDone<'a>(&'a Shared);

impl Drop for FirstDone<'_> {
    fn drop(&mut self) {
        self.0.progress().first_done = true;
        self.0.changed.notify_all();
    }
}

impl Collector {
    /// Reads once before it returns, and then `rate_hz` times a second; 0: not again before the finish. A reading that
    /// takes longer than its turn makes the next ones fall out, not bunch up.
    pub fn start(
        footprint: Footprint,
        rate_hz: f64,
        samplers: impl Into<Samplers>,
        clock: fn() -> Timestamp,
    ) -> Collector {
        let shared = Arc::new(Shared::default());
        let (inner, samplers) = (Arc::clone(&shared), samplers.into());
        let period = (rate_hz > 0.0).then(|| Duration::try_from_secs_f64(1.0 / rate_hz).ok()).flatten();
        let work = move || collect(&inner, &footprint, period, samplers, clock);
        let thread = thread::Builder::new().name("isotare-sampler".to_owned()).spawn(work);
        let Ok(thread) = thread else {
            return Collector { shared, thread: None };
        };
        let progress = shared.progress();
        drop(shared.changed.wait_while(progress, |progress| !progress.first_done));
        Collector { shared, thread: Some(thread) }
    }

    /// Reads a last time, at once, and gives everything. Each error is told once, however often it came up.
    pub fn finish(mut self) -> (Vec<Reading>, Vec<SamplerError>) {
        let lost = |cause: &str| {
            (Vec::new(), vec![SamplerError { subject: "samplers".to_owned(), cause: cause.to_owned() }])
        };
        match self.stop() {
            None => lost("their thread could not be started"),
            Some(Err(_)) => lost("their thread panicked"),
            Some(Ok(collected)) => collected,
        }
    }

    fn stop(&mut self) -> Option<thread::Result<Collected>> {
        self.shared.progress().finish = true;
        self.shared.changed.notify_all();
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

fn collect(
    shared: &Shared,
    footprint: &Footprint,
    period: Option<Duration>,
    mut samplers: Samplers,
    clock: fn() -> Timestamp,
) -> Collected {
    let mut collected = Collected::default();
    let first_done = FirstDone(shared);
    let mut turn = Instant::now();
    read(&mut samplers, footprint, clock(), &mut collected);
    drop(first_done);
    loop {
        if let Some(period) = period {
            turn += period;
            if turn < Instant::now() {
                turn = Instant::now() + period;
            }
        }
        if wait(shared, period.map(|_| turn)) {
            samplers.closing.raise();
            read(&mut samplers, footprint, clock(), &mut collected);
            return collected;
        }
        read(&mut samplers, footprint, clock(), &mut collected);
    }
}

/// Sleeps until `turn`, or until the finish; true at the finish.
fn wait(shared: &Shared, turn: Option<Instant>) -> bool {
    let mut progress = shared.progress();
    while !progress.finish {
        let Some(turn) = turn else {
            progress = shared.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let left = turn.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        progress = shared.changed.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    true
}

fn read(samplers: &mut Samplers, footprint: &Footprint, at: Timestamp, (readings, errors): &mut Collected) {
    for sampler in &mut samplers.list {
        if let Err(error) = sampler.read(footprint, at, readings) {
            let known = |e: &SamplerError| e.subject == error.subject && e.cause == error.cause;
            if !errors.iter().any(known) {
                errors.push(error);
            }
        }
    }
}
