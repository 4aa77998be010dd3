//! The thread that reads samplers over a window.

use crate::Samplers;
use isotare_core::{CpuSet, Footprint, Reading, SamplerError, Timestamp, with_sources};
use rustix::thread::{CpuSet as Affinity, sched_getaffinity, sched_setaffinity};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Reads samplers from its beginning to its finish, on a thread of its own.
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
    begin: bool,
    first_done: bool,
    finish: bool,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the starting thread continue even if the first reading panics.
struct FirstDone<'a>(&'a Shared);

impl Drop for FirstDone<'_> {
    fn drop(&mut self) {
        self.0.progress().first_done = true;
        self.0.changed.notify_all();
    }
}

impl Collector {
    /// Prepares everything before the window, so that only readings are part of it. From [`Collector::begin`]
    /// on, it reads `rate_hz` times a second; 0: not again before the finish. If a reading takes too long,
    /// the readings that it delays are skipped. Its thread does not use the CPUs of the `measured` if this
    /// process may use others.
    pub fn prepare(
        footprint: Footprint,
        rate_hz: f64,
        samplers: impl Into<Samplers>,
        measured: &CpuSet,
        clock: fn() -> Timestamp,
    ) -> Collector {
        let shared = Arc::new(Shared::default());
        let (inner, samplers, elsewhere) = (Arc::clone(&shared), samplers.into(), outside(measured));
        let period = (rate_hz > 0.0).then(|| Duration::try_from_secs_f64(1.0 / rate_hz).ok()).flatten();
        let work = move || {
            if let Some(elsewhere) = elsewhere {
                // Where it may not, it reads from where it is.
                let _anywhere = sched_setaffinity(None, &elsewhere);
            }
            collect(&inner, &footprint, period, samplers, clock)
        };
        let thread = thread::Builder::new().name("isotare-sampler".to_owned()).spawn(work).ok();
        Collector { shared, thread }
    }

    /// The window begins: reads once before it returns.
    pub fn begin(&self) {
        let mut progress = self.shared.progress();
        progress.begin = true;
        self.shared.changed.notify_all();
        if self.thread.is_some() {
            drop(self.shared.changed.wait_while(progress, |progress| !progress.first_done));
        }
    }

    /// The window ends: reads a last time, at once.
    pub fn end(&self) {
        self.shared.progress().finish = true;
        self.shared.changed.notify_all();
    }

    /// Reads a last time, if the window has not ended, and returns everything; nothing if the window never
    /// began. Each error is reported once, even if it occurred several times.
    pub fn finish(mut self) -> (Vec<Reading>, Vec<SamplerError>) {
        let lost = |cause: &str| {
            (Vec::new(), vec![SamplerError { subject: "samplers".to_owned(), source: cause.into() }])
        };
        match self.stop() {
            None => lost("their thread could not be started"),
            Some(Err(_)) => lost("their thread panicked"),
            Some(Ok(collected)) => collected,
        }
    }

    fn stop(&mut self) -> Option<thread::Result<Collected>> {
        self.end();
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
    let progress = shared.progress();
    let progress = shared
        .changed
        .wait_while(progress, |progress| !progress.begin && !progress.finish)
        .unwrap_or_else(PoisonError::into_inner);
    if !progress.begin {
        return collected;
    }
    drop(progress);
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

/// The CPUs that this process may use in addition to the `measured`; `None` if there are none.
fn outside(measured: &CpuSet) -> Option<Affinity> {
    let mut elsewhere = sched_getaffinity(None).ok()?;
    for cpu in measured.iter().filter_map(|cpu| usize::try_from(cpu).ok()) {
        if cpu < Affinity::MAX_CPU {
            elsewhere.unset(cpu);
        }
    }
    (elsewhere.count() > 0).then_some(elsewhere)
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
            let known = |e: &SamplerError| with_sources(e) == with_sources(&error);
            if !errors.iter().any(known) {
                errors.push(error);
            }
        }
    }
}
