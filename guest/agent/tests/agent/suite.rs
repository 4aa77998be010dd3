//! Tests of the agent together with the decoders: every answer of the real agent passes every check.

use super::host::Agent;
use isotare_core::{Captured, JobOutput, Sample, Settings, Streams, Workload};
use isotare_protocol::FromAgent;
use isotare_workloads::{find, quick_suite};

fn run(workload: &dyn Workload, given: &[(&str, &str)]) -> Result<Vec<Sample>, String> {
    let settings = Settings::check("w", workload.settings(), given.iter().copied()).expect("valid");
    let (mut agent, _) = Agent::start();
    let answer = agent.run(workload.job(&settings)?);
    match answer.end {
        Some(FromAgent::Finished { result, .. }) => {
            let (stdout, stderr) = (Captured::of(&answer.stdout), Captured::of(&answer.stderr));
            let output = JobOutput { result, streams: Streams { stdout, stderr } };
            workload.decode(&output, &settings).map_err(|invalid| invalid.0)
        }
        other => Err(format!("{other:?}")),
    }
}

fn headline(samples: &[Sample]) -> f64 {
    let sample = samples.iter().find(|sample| sample.metric.headline).expect("a headline");
    sample.value
}

#[test]
fn the_quick_suite_is_valid_end_to_end() {
    for spec in quick_suite() {
        let given: Vec<(&str, &str)> = spec.pairs().collect();
        let samples = run(find(&spec.name).expect("known"), &given).expect(&spec.name);
        assert!(headline(&samples) > 0.0, "{spec}: {samples:?}");
    }
}

#[test]
fn limits_modes_and_threads_are_valid_end_to_end() {
    let cases: [(&str, &[(&str, &str)]); 10] = [
        ("cpu", &[("max-prime", "500"), ("events", "777"), ("threads", "3"), ("warmup", "0")]),
        (
            "memory",
            &[("block", "1K"), ("total", "1M"), ("oper", "read"), ("access", "rnd"), ("threads", "2")],
        ),
        ("mutex", &[("events", "300"), ("threads", "2"), ("interval", "0")]),
        ("threads", &[("events", "300"), ("threads", "4"), ("locks", "1")]),
        ("fileio", &[("events", "300"), ("total", "4M"), ("mode", "seqwr"), ("fsync-every", "10")]),
        ("fileio", &[("events", "300"), ("total", "4M"), ("mode", "seqrd"), ("threads", "2")]),
        ("fileio", &[("events", "300"), ("total", "4M"), ("mode", "rndwr"), ("io", "sync")]),
        ("fileio", &[("events", "300"), ("total", "4M"), ("mode", "rndrd"), ("fsync-every", "0")]),
        ("fileio", &[("events", "300"), ("total", "4M"), ("fsync-end", "false"), ("rw-ratio", "0.5")]),
        ("network", &[("events", "300"), ("size", "16K"), ("threads", "2")]),
    ];
    for (name, given) in cases {
        let samples =
            run(find(name).expect("known"), given).unwrap_or_else(|why| panic!("{name} {given:?}: {why}"));
        assert!(headline(&samples) > 0.0, "{name} {given:?}");
    }
}

#[test]
fn a_command_is_timed_and_its_failure_quoted() {
    let command = find("command").expect("known");
    let given = [("argv", r#"["sleep", "0.02"]"#), ("min-runs", "3"), ("time", "0")];
    let samples = run(command, &given).expect("valid");
    assert!((0.02..0.2).contains(&headline(&samples)), "{samples:?}");
    let error = run(command, &[("argv", r#"["ls", "/no/such/folder"]"#)]).expect_err("fails");
    assert!(error.contains("exit status 2") && error.contains("No such file"), "{error}");
}

#[test]
#[ignore = "needs the sysbench package"]
fn the_real_sysbench_is_valid_end_to_end() {
    let sysbench = find("sysbench").expect("known");
    for test in ["cpu", "memory", "threads", "mutex", "fileio"] {
        let samples =
            run(sysbench, &[("test", test), ("threads", "2")]).unwrap_or_else(|why| panic!("{test}: {why}"));
        assert!(headline(&samples) > 0.0, "{test}: {samples:?}");
    }
}
