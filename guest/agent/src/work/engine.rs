//! The measured loop, which is the same for every kind of work.
//!
//! Each thread does events until the warm-up is over, waits at a gate for all others, and then does measured
//! events in a closed loop: read the clock, do the event, read the clock, count. As in sysbench, an event
//! under way when time is up is finished and counted, and the elapsed time lasts until the last one has
//! ended.
//!
//! With a rate, the loop is open: each event has a moment at which it is intended to begin, and its latency
//! counts from then. If all threads are late, the wait is part of the latency (Tene's "coordinated omission"
//! is what happens otherwise).

use super::random::Random;
use crate::clock::{now_ns, sleep_until};
use crate::control::Control;
use crate::observe::Observer;
use crate::reap::own_usage;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use isotare_protocol::{Builtin, FromAgent, Interval, Observed, Usage, WorkReport};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};

/// Maximum latency that is recorded, ns: one hour. Longer latencies are recorded as this.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Most intervals kept; later events count to the last one.
const MOST_INTERVALS: u64 = 1 << 20;

/// A kind of work.
pub trait Work: Sync {
    /// What one thread needs for itself.
    type Worker: Send;
    /// Makes it. `random` is seeded by the thread's number, so that runs repeat.
    fn worker(&self, random: Random) -> Result<Self::Worker, String>;
    /// Does one event.
    fn event(&self, worker: &mut Self::Worker) -> Result<Event, String>;
    /// Ends the measured part, after the last event, as part of it.
    fn finish(&self) -> Result<Event, String> {
        Ok(Event::default())
    }
}

/// What one event did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// Reads, writes and fsyncs.
    pub operations: [u64; 3],
    /// What it computed.
    pub proof: u64,
    /// Whether that is wrong.
    pub wrong: bool,
}

/// When to begin and end.
pub struct Schedule {
    threads: u32,
    warmup_ns: u64,
    duration_ns: Option<u64>,
    events: Option<u64>,
    interval_ns: u64,
    /// Time from one intended beginning to the next, ns; `None`: a closed loop.
    spacing_ns: Option<f64>,
}

impl Schedule {
    /// The schedule of a job.
    pub fn new(job: &Builtin) -> Result<Self, String> {
        if job.threads == 0 {
            return Err("a workload needs at least 1 thread".to_owned());
        }
        if job.limit.duration_ms.is_none() && job.limit.events.is_none() {
            return Err("a workload needs a limit, by time or by events".to_owned());
        }
        let ns = |ms: u64| ms.saturating_mul(1_000_000);
        Ok(Self {
            threads: job.threads,
            warmup_ns: ns(job.warmup_ms),
            duration_ns: job.limit.duration_ms.map(ns),
            events: job.limit.events,
            interval_ns: if job.interval_ms == 0 { u64::MAX } else { ns(job.interval_ms) },
            spacing_ns: None,
        })
    }

    /// Begins this many events per second, all threads together, whether or not earlier ones have ended.
    pub fn pace(&mut self, rate: Option<f64>) -> Result<(), String> {
        if let Some(rate) = rate.filter(|rate| !(0.1..=1e9).contains(rate)) {
            return Err(format!("a rate has to be from 0.1 to 1000000000 events per second, not {rate}"));
        }
        self.spacing_ns = rate.map(|rate| 1e9 / rate);
        Ok(())
    }

    /// When the event of this number is intended to begin, ns since measuring began.
    fn intended(&self, event: u64) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and the largest number would be after the end of any measurement"
        )]
        self.spacing_ns.map(|spacing| (event as f64 * spacing) as u64)
    }

    /// Lowers the limit by events.
    pub fn at_most_events(&mut self, most: Option<u64>) {
        self.events = self.events.into_iter().chain(most).min();
    }
}

/// The receiver of the measured loop's reports.
pub struct Engine<'a> {
    /// Tells when to stop early.
    pub control: &'a Control,
    /// Interval of readings inside.
    pub observe_ms: Option<u32>,
    /// Sends the host a message: when measuring begins, and when it ends.
    pub tell: &'a mut dyn FnMut(&FromAgent) -> Result<(), String>,
}

/// What all threads share.
struct Shared<'a, W> {
    work: &'a W,
    schedule: &'a Schedule,
    control: &'a Control,
    warm: Sender<()>,
    gate: Gate,
    tickets: AtomicU64,
    start_ns: AtomicU64,
    failed: AtomicBool,
}

impl Engine<'_> {
    /// Runs the work to its end, or to an error of any thread.
    pub fn run<W: Work>(&mut self, work: &W, schedule: &Schedule) -> Result<(WorkReport, Observed), String> {
        let (warm, warmed) = channel();
        let shared = Shared {
            work,
            schedule,
            control: self.control,
            warm,
            gate: Gate::default(),
            tickets: AtomicU64::new(0),
            start_ns: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        };
        let shared = &shared;
        std::thread::scope(|scope| {
            let (results, received) = channel();
            let mut started = 0;
            let mut told = Ok(());
            for index in 0..schedule.threads {
                let results = results.clone();
                let named = std::thread::Builder::new().name(format!("work {index}")).stack_size(1 << 20);
                match named.spawn_scoped(scope, move || worker(shared, index, &results)) {
                    Ok(_) => started += 1,
                    Err(error) => {
                        told = Err(format!("start thread {index} of the workload: {error}"));
                        shared.failed.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
            drop(results);
            warmed.iter().take(started).for_each(drop);
            let observer = Observer::start(self.observe_ms);
            if told.is_ok() {
                told = (self.tell)(&FromAgent::Measuring);
            }
            if told.is_err() || observer.is_err() {
                shared.failed.store(true, Ordering::Relaxed);
            }
            let before = own_usage();
            let start_ns = now_ns();
            shared.start_ns.store(start_ns, Ordering::Relaxed);
            shared.gate.open();
            // Ends when the last thread has sent its result and dropped its end.
            let parts: Vec<Result<Part, String>> = received.iter().collect();
            told?;
            let observer = observer?;
            let mut total = Part::new(start_ns)?;
            let mut failure = None;
            for part in parts {
                match part {
                    Ok(part) => total.add(&part)?,
                    Err(why) => failure = Some(why),
                }
            }
            if failure.is_none() && !self.control.must_stop() {
                let finished = work.finish()?;
                total.account(&finished);
                if finished.operations != [0; 3] {
                    total.end_ns = now_ns();
                }
            }
            let after = own_usage();
            (self.tell)(&FromAgent::Measured)?;
            let observed = observer.finish();
            if self.control.must_stop() {
                return Err(self.control.stop_reason());
            }
            match failure {
                Some(why) => Err(why),
                None => Ok((total.report(start_ns, schedule, difference(&after, &before))?, observed)),
            }
        })
    }
}

fn worker<W: Work>(shared: &Shared<'_, W>, index: u32, results: &Sender<Result<Part, String>>) {
    let warmed = shared.work.worker(Random::new(u64::from(index))).and_then(|mut worker| {
        warm_up(shared, &mut worker)?;
        // Made here so that its pages are touched before measuring.
        Ok((worker, Part::new(0)?))
    });
    if warmed.is_err() {
        shared.failed.store(true, Ordering::Relaxed);
    }
    // This is sent in any case, because otherwise the others would wait for ever.
    let _ = shared.warm.send(());
    shared.gate.wait();
    let result = warmed.and_then(|(mut worker, part)| {
        let measured = measure(shared, &mut worker, part);
        if measured.is_err() {
            shared.failed.store(true, Ordering::Relaxed);
        }
        measured
    });
    // The receiver outlives every worker.
    let _ = results.send(result);
}

/// Closed until measuring begins.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let mut is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_open {
            is_open = self.opened.wait(is_open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<W: Work> Shared<'_, W> {
    #[inline]
    fn must_stop(&self) -> bool {
        self.control.must_stop() || self.failed.load(Ordering::Relaxed)
    }
}

fn warm_up<W: Work>(shared: &Shared<'_, W>, worker: &mut W::Worker) -> Result<(), String> {
    let end = now_ns().saturating_add(shared.schedule.warmup_ns);
    while now_ns() < end && !shared.must_stop() {
        shared.work.event(worker)?;
    }
    Ok(())
}

fn measure<W: Work>(shared: &Shared<'_, W>, worker: &mut W::Worker, mut part: Part) -> Result<Part, String> {
    let start = shared.start_ns.load(Ordering::Relaxed);
    let end = shared.schedule.duration_ns.map_or(u64::MAX, |duration| start.saturating_add(duration));
    part.end_ns = start;
    let mut begun = now_ns();
    while begun < end && !shared.must_stop() {
        // A ticket for each event makes a limit exact with any number of threads, and an open loop evenly
        // spaced; otherwise none is drawn.
        if shared.schedule.events.is_some() || shared.schedule.spacing_ns.is_some() {
            let ticket = shared.tickets.fetch_add(1, Ordering::Relaxed);
            if shared.schedule.events.is_some_and(|limit| ticket >= limit) {
                break;
            }
            if let Some(intended) = shared.schedule.intended(ticket) {
                begun = start.saturating_add(intended);
                if begun >= end {
                    break;
                }
                sleep_until(begun);
            }
        }
        let event = shared.work.event(worker)?;
        let ended = now_ns();
        part.count(&event, begun, ended, (ended - start) / shared.schedule.interval_ns);
        begun = now_ns();
    }
    Ok(part)
}

/// What one thread did, or several.
struct Part {
    latency: Histogram<u64>,
    latency_sum_ns: u64,
    intervals: Vec<u64>,
    end_ns: u64,
    events: u64,
    wrong: u64,
    sum: Event,
}

impl Part {
    fn new(end_ns: u64) -> Result<Self, String> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .map_err(|e| format!("make a histogram: {e}"))?,
            latency_sum_ns: 0,
            intervals: Vec::with_capacity(1024),
            end_ns,
            events: 0,
            wrong: 0,
            sum: Event::default(),
        })
    }

    #[inline]
    fn count(&mut self, event: &Event, begun: u64, ended: u64, interval: u64) {
        let latency = ended - begun;
        self.latency.saturating_record(latency.max(1));
        self.latency_sum_ns += latency;
        // At most MOST_INTERVALS, which fits any usize.
        let interval = interval.min(MOST_INTERVALS) as usize;
        if self.intervals.len() <= interval {
            self.intervals.resize(interval + 1, 0);
        }
        self.intervals[interval] += 1;
        self.end_ns = ended;
        self.events += 1;
        self.wrong += u64::from(event.wrong);
        self.account(event);
    }

    #[inline]
    fn account(&mut self, event: &Event) {
        self.sum.read += event.read;
        self.sum.written += event.written;
        for (sum, count) in self.sum.operations.iter_mut().zip(event.operations) {
            *sum += count;
        }
        if event.proof != 0 {
            self.sum.proof = event.proof;
        }
    }

    fn add(&mut self, other: &Part) -> Result<(), String> {
        self.latency.add(&other.latency).map_err(|e| format!("merge histograms: {e}"))?;
        self.latency_sum_ns += other.latency_sum_ns;
        if self.intervals.len() < other.intervals.len() {
            self.intervals.resize(other.intervals.len(), 0);
        }
        for (sum, count) in self.intervals.iter_mut().zip(&other.intervals) {
            *sum += count;
        }
        self.end_ns = self.end_ns.max(other.end_ns);
        self.events += other.events;
        self.wrong += other.wrong;
        self.account(&other.sum);
        Ok(())
    }

    fn report(self, start_ns: u64, schedule: &Schedule, usage: Usage) -> Result<WorkReport, String> {
        let elapsed_ns = self.end_ns - start_ns;
        let interval = |(index, events): (u64, u64)| Interval {
            at_ns: (index + 1).saturating_mul(schedule.interval_ns).min(elapsed_ns),
            events,
        };
        let mut latency = Vec::new();
        V2Serializer::new()
            .serialize(&self.latency, &mut latency)
            .map_err(|e| format!("encode the histogram: {e}"))?;
        Ok(WorkReport {
            events: self.events,
            elapsed_ns,
            intervals: (0..).zip(self.intervals).map(interval).collect(),
            latency,
            latency_sum_ns: self.latency_sum_ns,
            bytes_read: self.sum.read,
            bytes_written: self.sum.written,
            operations: self.sum.operations,
            proof: self.sum.proof,
            wrong: self.wrong,
            usage: Usage { wall_ns: elapsed_ns, ..usage },
        })
    }
}

fn difference(after: &Usage, before: &Usage) -> Usage {
    Usage {
        wall_ns: 0,
        user_ns: after.user_ns.saturating_sub(before.user_ns),
        system_ns: after.system_ns.saturating_sub(before.system_ns),
        // A high-water mark has no difference.
        max_rss: after.max_rss,
        minor_faults: after.minor_faults.saturating_sub(before.minor_faults),
        major_faults: after.major_faults.saturating_sub(before.major_faults),
        voluntary_switches: after.voluntary_switches.saturating_sub(before.voluntary_switches),
        involuntary_switches: after.involuntary_switches.saturating_sub(before.involuntary_switches),
    }
}

#[cfg(test)]
mod tests;
