//! Tests of the engine with a work of known size.

use super::*;
use hdrhistogram::serialization::Deserializer;
use isotare_protocol::{Kind, Limit};

struct Nothing {
    fails_at: u64,
    done: AtomicU64,
}

impl Work for Nothing {
    type Worker = ();
    fn worker(&self, _: Random) -> Result<(), String> {
        Ok(())
    }
    fn event(&self, (): &mut ()) -> Result<Event, String> {
        let done = self.done.fetch_add(1, Ordering::Relaxed);
        match done == self.fails_at {
            true => Err("it broke".to_owned()),
            false => {
                Ok(Event { read: 2, operations: [1, 0, 0], wrong: done == 7, proof: 5, ..Event::default() })
            }
        }
    }
}

fn run(
    work: &Nothing,
    threads: u32,
    limit: Limit,
    warmup_ms: u64,
    control: &Control,
) -> Result<(WorkReport, Observed), String> {
    let job = Builtin { kind: Kind::Cpu { max_prime: 3 }, threads, limit, warmup_ms, interval_ms: 5 };
    let mut tell = |_: &FromAgent| Ok(());
    let mut engine = Engine { control, observe_ms: Some(10), tell: &mut tell };
    engine.run(work, &Schedule::new(&job)?)
}

fn endless() -> Nothing {
    Nothing { fails_at: u64::MAX, done: AtomicU64::new(0) }
}

#[test]
fn a_limit_by_events_is_exact_with_several_threads() {
    for threads in [1, 2, 5] {
        let limit = Limit { duration_ms: None, events: Some(10_001) };
        let (report, seen) = run(&endless(), threads, limit, 0, &Control::default()).expect("runs");
        assert_eq!(report.events, 10_001);
        assert_eq!(report.intervals.iter().map(|interval| interval.events).sum::<u64>(), 10_001);
        assert_eq!((report.bytes_read, report.operations, report.proof), (20_002, [10_001, 0, 0], 5));
        assert_eq!(report.wrong, 1);
        assert!(report.latency_sum_ns <= u64::from(threads) * report.elapsed_ns);
        let latency: Histogram<u64> =
            Deserializer::new().deserialize(&mut &report.latency[..]).expect("decodes");
        assert_eq!(latency.len(), 10_001);
        assert!(seen.readings.len() >= 2, "a first and a last reading");
    }
}

#[test]
fn a_limit_by_time_is_kept_and_its_intervals_add_up() {
    let limit = Limit { duration_ms: Some(40), events: None };
    let (report, _) = run(&endless(), 2, limit, 10, &Control::default()).expect("runs");
    // A thread that was stopped between two events has not counted what came after the last one.
    assert!(report.elapsed_ns >= 20_000_000, "{}", report.elapsed_ns);
    assert_eq!(report.intervals.iter().map(|interval| interval.events).sum::<u64>(), report.events);
    assert!(report.intervals.len() >= 4);
    assert!(report.intervals.is_sorted_by_key(|interval| interval.at_ns));
    assert_eq!(report.intervals.last().map(|interval| interval.at_ns), Some(report.elapsed_ns));
}

#[test]
fn an_error_or_a_signal_ends_every_thread() {
    let limit = Limit { duration_ms: Some(60_000), events: None };
    for warmup_ms in [0, 60_000] {
        let broken = Nothing { fails_at: 100, done: AtomicU64::new(0) };
        let error = run(&broken, 3, limit, warmup_ms, &Control::default()).expect_err("broke");
        assert_eq!(error, "it broke");
    }
    let control = Control::default();
    control.threads_begin();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            control.signal(15);
        });
        run(&endless(), 2, limit, 0, &control).expect_err("stopped")
    });
    assert_eq!(error, "stopped by signal 15");
}
