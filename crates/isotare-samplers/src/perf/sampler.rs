//! Counters of some CPUs over one window.

use super::METERS;
use super::event::{EVENTS, Event, open};
use crate::Closing;
use isotare_core::{CpuSet, Footprint, Reading, Sampler, SamplerError, Timestamp, Unavailable};
use perf_event::Counter;
use std::time::Duration;

/// Counts events on the measured CPUs, for any footprint. An event is omitted if it cannot be counted on each
/// of them.
pub struct PerfSampler {
    events: Vec<Counted>,
    closing: Closing,
    has_begun: bool,
}

/// One event.
struct Counted {
    /// Its metric's name.
    metric: &'static str,
    /// On each CPU.
    counters: Vec<Counter>,
    /// What they said at the first reading.
    before: Vec<Said>,
}

/// What a counter said: its number, and for how long it was asked to count and did. It does less where there
/// are more events than the processor has counters.
#[derive(Clone, Copy)]
struct Said {
    count: u64,
    enabled: Duration,
    running: Duration,
}

impl PerfSampler {
    /// Counts from now on.
    pub fn new(cpus: &CpuSet, closing: Closing) -> Result<Self, Unavailable> {
        let metrics = METERS.iter().map(|meter| meter.def.name.as_ref());
        Self::of(metrics.zip(EVENTS.iter().map(|(_, event)| *event)), cpus, closing)
    }

    fn of(
        events: impl Iterator<Item = (&'static str, Event)>,
        cpus: &CpuSet,
        closing: Closing,
    ) -> Result<Self, Unavailable> {
        let mut reasons = Vec::new();
        let mut counted = Vec::new();
        for (metric, event) in events {
            let open = |cpu| open(event, usize::try_from(cpu).unwrap_or(usize::MAX));
            match cpus.iter().map(open).collect() {
                Ok(counters) => counted.push(Counted { metric, counters, before: Vec::new() }),
                Err(reason) => reasons.push(format!("{metric}: {reason}")),
            }
        }
        if counted.is_empty() {
            let reason = format!("nothing can be counted ({})", reasons.join("; "));
            return Err(Unavailable::new(
                reason,
                "run isotare as root, on a machine whose counters can be used",
            ));
        }
        Ok(Self { events: counted, closing, has_begun: false })
    }
}

impl Sampler for PerfSampler {
    fn read(&mut self, _: &Footprint, at: Timestamp, out: &mut Vec<Reading>) -> Result<(), SamplerError> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if !is_first && !self.closing.is_raised() {
            return Ok(());
        }
        for event in &mut self.events {
            let said = event.counters.iter_mut().map(said).collect::<Result<Vec<_>, _>>();
            let said = said.map_err(|error| SamplerError {
                subject: format!("the counters of {}", event.metric),
                source: error.into(),
            })?;
            if is_first {
                event.before.clone_from(&said);
            }
            let of_cpus: Option<f64> =
                event.before.iter().zip(&said).map(|(before, after)| since(*before, *after)).sum();
            let metric = event.metric.into();
            out.extend(of_cpus.map(|value| Reading { at, metric, role: None, value }));
        }
        Ok(())
    }
}

fn said(counter: &mut Counter) -> std::io::Result<Said> {
    let data = counter.read_full()?;
    let time = |time: Option<Duration>| time.unwrap_or_default();
    Ok(Said { count: data.count(), enabled: time(data.time_enabled()), running: time(data.time_running()) })
}

/// The events between two readings: what was counted, scaled to the time for which it should have been.
/// `None` if the counter never ran in between.
fn since(before: Said, after: Said) -> Option<f64> {
    let count = after.count.saturating_sub(before.count) as f64;
    let enabled = after.enabled.saturating_sub(before.enabled).as_secs_f64();
    let running = after.running.saturating_sub(before.running).as_secs_f64();
    match (enabled > 0.0, running > 0.0) {
        (false, _) => Some(count),
        (true, true) => Some(count * enabled / running),
        (true, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_event::Builder;
    use perf_event::events::Software;

    fn said(count: u64, enabled: u64, running: u64) -> Said {
        Said { count, enabled: Duration::from_secs(enabled), running: Duration::from_secs(running) }
    }

    #[test]
    fn each_event_has_its_metric() {
        let names: Vec<_> = METERS.iter().map(|meter| meter.def.name.as_ref()).collect();
        let expect: Vec<_> = EVENTS.iter().map(|(name, _)| format!("perf_{name}")).collect();
        assert_eq!(names, expect);
    }

    #[test]
    fn what_happens_on_a_cpu_is_counted_between_the_first_and_the_last_reading() {
        // An event of the kernel, because those of the processor may not be available.
        let switches: Event = || Builder::new(Software::CONTEXT_SWITCHES);
        let cpus = CpuSet::new([0]).expect("not empty");
        let closing = Closing::default();
        let mut sampler = match PerfSampler::of([("x", switches)].into_iter(), &cpus, closing.clone()) {
            Ok(sampler) => sampler,
            Err(why) => return assert!(why.reason.starts_with("nothing can be counted (x: "), "{why}"),
        };
        let mut out = Vec::new();
        let mut read = |at| {
            out.clear();
            sampler.read(&Footprint::default(), Timestamp(at), &mut out).expect("readable");
            out.first().map(|reading| reading.value)
        };
        assert_eq!(read(1), Some(0.0));
        let mut first = rustix::thread::CpuSet::new();
        first.set(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                rustix::thread::sched_setaffinity(None, &first).expect("its own");
                (0..50).for_each(|_| std::thread::sleep(Duration::from_millis(1)));
            });
        });
        assert_eq!(read(2), None);
        closing.raise();
        assert!(read(3).is_some_and(|switches| switches >= 50.0));
    }

    #[test]
    fn a_shared_counter_is_scaled_and_a_counter_that_never_ran_has_no_value() {
        assert_eq!(since(said(10, 1, 1), said(10, 1, 1)), Some(0.0));
        assert_eq!(since(said(10, 1, 1), said(40, 4, 4)), Some(30.0));
        assert_eq!(since(said(10, 1, 1), said(40, 5, 3)), Some(60.0));
        assert_eq!(since(said(10, 1, 1), said(10, 5, 1)), None);
    }
}
