//! Correct reports, and manipulated versions of them, which must be rejected.

use super::{Cpu, Fileio, Memory, Network, Threads};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use isotare_core::{JobOutput, Settings, Streams, Workload};
use isotare_protocol::{Exit, Interval, JobResult, Usage, WorkReport};

const EVENTS: u64 = 1000;
const LATENCY: u64 = 1_000_000;

fn histogram(count: u64, value: u64) -> Vec<u8> {
    let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
    histogram.record_n(value, count).expect("in bounds");
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(&histogram, &mut bytes).expect("encodes");
    bytes
}

fn report() -> WorkReport {
    let elapsed_ns = EVENTS * LATENCY + 5000;
    WorkReport {
        events: EVENTS,
        elapsed_ns,
        intervals: vec![Interval { at_ns: 500, events: 400 }, Interval { at_ns: elapsed_ns, events: 600 }],
        latency: histogram(EVENTS, LATENCY),
        latency_sum_ns: EVENTS * LATENCY,
        bytes_read: 0,
        bytes_written: 0,
        operations: [0; 3],
        proof: 1228,
        wrong: 0,
        usage: Usage { wall_ns: elapsed_ns, user_ns: 900_000_000, ..Usage::default() },
    }
}

fn decode(
    workload: &dyn Workload,
    given: &[(&str, &str)],
    report: WorkReport,
) -> Result<Vec<(String, f64)>, String> {
    let settings = Settings::check("w", workload.settings(), given.iter().copied()).expect("valid");
    let output = JobOutput { result: JobResult::Work(report), streams: Streams::default() };
    let samples = workload.decode(&output, &settings).map_err(|invalid| invalid.0)?;
    Ok(samples.into_iter().map(|sample| (sample.metric.name.into_owned(), sample.value)).collect())
}

fn value(samples: &[(String, f64)], name: &str) -> Option<f64> {
    samples.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
}

#[test]
fn a_correct_report_becomes_samples() {
    let samples = decode(&Cpu, &[("events", "1000")], report()).expect("valid");
    assert_eq!(samples[0].0, "events_per_second");
    assert!((samples[0].1 - 999.995).abs() < 0.001, "{samples:?}");
    assert_eq!(value(&samples, "latency_mean"), Some(0.001));
    assert_eq!(value(&samples, "cpu_per_event"), Some(0.0009));
    assert!(value(&samples, "latency_p99").is_some_and(|p99| (p99 - 0.001).abs() < 2e-6));
    assert_eq!(value(&samples, "latency_p999"), None, "only one event lies beyond it");
}

#[test]
fn doctored_reports_are_rejected() {
    type Doctor = fn(&mut WorkReport);
    let cases: [(Doctor, &str); 17] = [
        (|r| r.events = 0, "no event"),
        (|r| r.wrong = 1, "wrong result"),
        (|r| r.proof = 1229, "1229 primes instead of 1228"),
        (|r| r.proof = 0, "0 primes"),
        (|r| r.events = 999, "ended after 999"),
        (|r| r.events = 1001, "more than the limit"),
        (|r| r.elapsed_ns = 0, "in no time"),
        (|r| r.elapsed_ns /= 2, "more than 1 threads have"),
        (|r| r.latency_sum_ns *= 2, "more than 1 threads have"),
        (|r| r.latency_sum_ns /= 2, "is not possible with"),
        (|r| r.latency = histogram(999, 1_000_000), "but 999 latencies"),
        (|r| r.latency = histogram(1000, 5_000_000), "is not possible with"),
        (|r| r.latency.truncate(10), "cannot be read"),
        (|r| r.intervals[0].events = 1, "in the intervals"),
        // The sum overflows and so becomes correct.
        (|r| r.intervals.push(Interval { at_ns: 1, events: u64::MAX }), "too many in the intervals"),
        // A histogram whose header says that it is 4 GiB long.
        (|r| r.latency[4..8].fill(0xff), "cannot be read"),
        // A histogram whose header says that it is compressed.
        (|r| r.latency[3] = 0x14, "cannot be read"),
    ];
    for (doctor, why) in cases {
        let mut doctored = report();
        doctor(&mut doctored);
        let error = decode(&Cpu, &[("events", "1000")], doctored).expect_err(why);
        assert!(error.contains(why), "{error} lacks {why}");
    }
    // Impossible times must not end the trial with a panic.
    let mut doctored = report();
    (doctored.usage.user_ns, doctored.usage.system_ns) = (u64::MAX, u64::MAX);
    let samples = decode(&Cpu, &[("events", "1000")], doctored).expect("valid but for its CPU time");
    assert!(value(&samples, "cpu_per_event").is_some_and(f64::is_finite), "{samples:?}");
    // 1 s of work, but 5 s were requested.
    let error = decode(&Cpu, &[("time", "5s")], report()).expect_err("too short");
    assert!(error.contains("instead of 5000 ms"), "{error}");
    decode(&Cpu, &[("time", "1s")], report()).expect("long enough");
}

#[test]
fn a_command_is_no_builtin_workload() {
    let settings = Settings::check("w", Threads.settings(), []).expect("valid");
    let result = JobResult::Command { exit: Exit::Code(0), runs: Vec::new() };
    let output = JobOutput { result, streams: Streams::default() };
    assert!(Threads.decode(&output, &settings).is_err());
}

#[test]
fn bytes_of_memory_must_be_those_of_the_events() {
    let given = [("block", "4K"), ("total", "4000K")];
    let written = |bytes| WorkReport { bytes_written: bytes, ..report() };
    let samples = decode(&Memory, &given, written(EVENTS * 4096)).expect("valid");
    assert_eq!(samples[0].0, "throughput");
    assert!(samples[0].1 > 4.09e6 && samples[0].1 < 4.1e6);
    assert!(decode(&Memory, &given, written(EVENTS * 4096 - 1)).is_err());
    assert!(decode(&Memory, &given, WorkReport { bytes_read: 1, ..written(EVENTS * 4096) }).is_err());
    assert!(decode(&Memory, &[("block", "4K"), ("total", "8000K")], written(EVENTS * 4096)).is_err());
}

#[test]
fn bytes_of_round_trips_must_be_those_of_the_events() {
    let given = [("size", "64"), ("events", "1000")];
    let moved = |sent, received| WorkReport { bytes_written: sent, bytes_read: received, ..report() };
    let samples = decode(&Network, &given, moved(64_000, 64_000)).expect("valid");
    assert_eq!(samples[0].0, "events_per_second");
    assert!(value(&samples, "throughput").is_some_and(|rate| (rate / 128e3 - 1.0).abs() < 0.001));
    for (sent, received) in [(64_000, 63_999), (0, 64_000)] {
        assert!(decode(&Network, &given, moved(sent, received)).is_err(), "{sent} {received}");
    }
}

#[test]
fn operations_of_files_must_add_up() {
    let given = [("files", "4"), ("block", "4K"), ("total", "1M"), ("events", "1000")];
    let work = |operations: [u64; 3]| WorkReport {
        operations,
        bytes_read: operations[0] * 4096,
        bytes_written: operations[1] * 4096,
        ..report()
    };
    // 1000 events and a sync of each of the 4 files at the end.
    let samples = decode(&Fileio, &given, work([600, 392, 12])).expect("valid");
    assert!(value(&samples, "reads_per_second").is_some_and(|rate| (rate - 600.0).abs() < 0.1));
    for operations in [[600, 400, 12], [600, 392, 8], [0, 1002, 2]] {
        assert!(decode(&Fileio, &given, work(operations)).is_err(), "{operations:?}");
    }
    let short = WorkReport { bytes_written: 392 * 4096 - 512, ..work([600, 392, 12]) };
    assert!(decode(&Fileio, &given, short).expect_err("short").contains("392 operations"));
    let reads_only = [&given[..], &[("mode", "rndrd")]].concat();
    assert!(decode(&Fileio, &reads_only, work([600, 400, 0])).expect_err("writes").contains("RandomRead"));
    decode(&Fileio, &reads_only, work([1000, 0, 0])).expect("valid");
}
