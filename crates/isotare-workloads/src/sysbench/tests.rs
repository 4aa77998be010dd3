//! Tests with recorded outputs of sysbench 1.0.20 (Debian 1.0.20+ds-5), and with outputs that must be
//! refused.

use super::*;
use isotare_core::{Captured, Streams};
use isotare_protocol::{Exit, Usage};
use std::path::Path;

fn recorded(name: &str) -> (String, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sysbench-1.0.20");
    let read = |kind: &str| std::fs::read_to_string(folder.join(format!("{name}.{kind}"))).expect(name);
    (read("stdout"), read("stderr"))
}

fn decode(given: &[(&str, &str)], exit: i32, stdout: &str, stderr: &str) -> Result<Vec<Sample>, String> {
    let settings = Settings::check("w", Sysbench.settings(), given.iter().copied()).expect("valid");
    let result = JobResult::Command { exit: Exit::Code(exit), runs: vec![Usage::default()] };
    let output = JobOutput {
        result,
        streams: Streams { stdout: Captured::of(stdout.as_bytes()), stderr: Captured::of(stderr.as_bytes()) },
    };
    Sysbench.decode(&output, &settings).map_err(|invalid| invalid.0)
}

fn figures(name: &str, given: &[(&str, &str)]) -> Vec<(String, f64)> {
    let samples = decode(given, 0, &recorded(name).0, "").expect(name);
    samples.into_iter().map(|sample| (sample.metric.name.into_owned(), sample.value)).collect()
}

#[test]
fn every_recorded_run_is_read() {
    let threads = ("threads", "2");
    // Name of the recording, settings, and the largest number of figures.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], usize);
    let cases: [Case<'_>; 11] = [
        ("cpu", &[("test", "cpu"), threads], 6),
        ("cpu-interval", &[("test", "cpu")], 6),
        ("cpu-events", &[("test", "cpu")], 6),
        ("memory", &[("test", "memory")], 7),
        ("memory-interval", &[("test", "memory")], 4),
        ("threads", &[("test", "threads"), threads], 6),
        ("threads-interval", &[("test", "threads"), threads], 6),
        ("mutex", &[("test", "mutex"), threads], 6),
        ("fileio", &[("test", "fileio")], 10),
        ("fileio-interval", &[("test", "fileio")], 10),
        ("fileio-seqwr", &[("test", "fileio")], 10),
    ];
    for (name, given, most) in cases {
        let figures = figures(name, given);
        assert!((3..=most).contains(&figures.len()), "{name}: {figures:?}");
        assert_eq!(figures[0].0, "events_per_second");
        assert!(figures.iter().all(|(_, value)| *value > 0.0), "{name}: {figures:?}");
    }
}

#[test]
fn figures_are_those_printed() {
    let cpu = figures("cpu", &[("threads", "2")]);
    assert_eq!(cpu[0], ("events_per_second".to_owned(), 2211.93));
    assert!(cpu.contains(&("latency_p95".to_owned(), 0.00828)), "{cpu:?}");
    let memory = figures("memory-interval", &[("test", "memory")]);
    assert_eq!(memory[1], ("throughput".to_owned(), 8195.18 * 1_048_576.0));
    let fileio = figures("fileio", &[("test", "fileio")]);
    assert_eq!(fileio[1], ("throughput".to_owned(), (1091.08 + 727.39) * 1_048_576.0));
    assert_eq!(fileio[4], ("fsyncs_per_second".to_owned(), 4656.19));
}

#[test]
fn recorded_failures_are_invalid_and_say_why() {
    for (name, why) in [
        ("unknown-test", "FATAL: Cannot find benchmark 'nosuchtest'"),
        ("fileio-nofiles", "FATAL: Cannot open file 'test_file.0'"),
        ("bad-option", "invalid option: --cpu-max-primes=10"),
    ] {
        let (stdout, stderr) = recorded(name);
        let error = decode(&[], 1, &stdout, &stderr).expect_err(name);
        assert!(error.contains(why), "{error}");
        assert!(decode(&[], 0, &stdout, &stderr).is_err(), "{name} with status 0");
    }
    for name in ["fileio-prepare", "fileio-cleanup", "zero-events"] {
        assert!(decode(&[("test", "fileio")], 0, &recorded(name).0, "").is_err(), "{name}");
    }
}

#[test]
fn doctored_outputs_are_invalid() {
    let text = recorded("cpu").0;
    let check = |from: &str, to: &str, why: &str| {
        assert!(text.contains(from), "{from}");
        let error = decode(&[("threads", "2")], 0, &text.replace(from, to), "").expect_err(why);
        assert!(error.contains(why), "{error}");
    };
    check("sysbench 1.0.20", "sysbench 0.4.12", "not the output of sysbench 1.0");
    check("events:              2232", "events:              0", "did not complete an event");
    check("events:              2232", "events:              1116", "contradict");
    check("1.0080s", "0.0000s", "took 0 s");
    check("1.0080s", "NaNs", "took NaN s");
    check("Number of threads: 2", "Number of threads: 1", "instead of 2");
    check("avg:                                    0.90", "avg:  99.0", "not possible");
    check("sum:                                 2010.05", "sum: 4020.1", "not possible");
    let cut = &text[..text.find("Latency").expect("latency")];
    assert!(decode(&[("threads", "2")], 0, cut, "").expect_err("cut").contains("'min' is missing"));
    assert!(decode(&[("threads", "2")], 0, "", "").is_err());
}

#[test]
fn settings_become_arguments_of_their_test() {
    let argv = |given: &[(&str, &str)]| {
        let settings = Settings::check("w", Sysbench.settings(), given.iter().copied()).expect("valid");
        match Sysbench.job(&settings)? {
            Job::Command(job) => Ok::<_, String>(job.argv.join(" ")),
            Job::Builtin(_) => Err("no command".to_owned()),
        }
    };
    let cpu = argv(&[("cpu-max-prime", "500")]).expect("valid");
    assert_eq!(cpu, "sysbench cpu --cpu-max-prime=500 --threads=1 --time=1 run");
    assert!(
        argv(&[("memory-oper", "read")]).expect_err("refused").contains("does not belong to its test cpu")
    );
    let fileio = argv(&[("test", "fileio"), ("file-total-size", "8M")]).expect("valid");
    assert!(fileio.starts_with("/bin/sh -c") && fileio.contains("sysbench fileio --file-total-size=8388608"));
    assert!(fileio.contains("--file-test-mode=rndrw") && fileio.contains("--file-num=16"), "{fileio}");
}
