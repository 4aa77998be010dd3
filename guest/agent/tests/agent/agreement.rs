//! Compares the agent with well-known tools, in pairs that alternate, on a quiet machine. Prints its figures.
//!
//! `ISOTARE_AGENT` names the release build of the agent that is tested.

use super::host::Agent;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use isotare_protocol::{
    Access, Builtin, CommandJob, Job, Kind, Limit, MemoryJob, Operation, Repetition, WorkReport,
};
use std::process::Command;

const PAIRS: usize = 10;

fn program() -> String {
    std::env::var("ISOTARE_AGENT").expect("ISOTARE_AGENT names the agent's release build")
}

fn agent(kind: &Kind, threads: u32) -> WorkReport {
    let (mut agent, _) = Agent::start_program(&program());
    let limit = Limit { duration_ms: Some(1000), events: None };
    let job = Builtin { kind: kind.clone(), threads, limit, warmup_ms: 0, interval_ms: 100 };
    agent.run(Job::Builtin(job)).work().0.clone()
}

/// Events, seconds and CPU seconds of one run of sysbench. Its own start and end take about 1 % of a second
/// of CPU time. This is measured with a run of one event and subtracted.
fn sysbench(arguments: &[&str], threads: u32) -> (f64, f64, f64) {
    let (events, seconds, cpu) = sysbench_once(arguments, "--time=1", threads);
    let (_, _, idle) = sysbench_once(&["cpu", "--cpu-max-prime=3", "--events=1"], "--time=1", threads);
    (events, seconds, cpu - idle)
}

fn sysbench_once(arguments: &[&str], time: &str, threads: u32) -> (f64, f64, f64) {
    let output = Command::new("bash")
        .args(["-c", "TIMEFORMAT='%U %S'; time sysbench \"$@\" run", "bash"])
        .args(arguments)
        .arg(time)
        .arg(format!("--threads={threads}"))
        .output()
        .expect("sysbench");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times = String::from_utf8_lossy(&output.stderr).into_owned();
    let number = |key: &str| -> f64 {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key)).expect(key);
        line.trim().trim_end_matches('s').parse().expect(key)
    };
    let cpu = times.split_whitespace().map(|word| word.parse::<f64>().expect("time")).sum();
    (number("total number of events:"), number("total time:"), cpu)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2].midpoint(values[(values.len() - 1) / 2])
}

/// Medians over pairs of agent / sysbench: the rate of events, and events for each second of CPU time. Other
/// load on the machine has less effect on the second one.
fn compare(name: &str, kind: &Kind, arguments: &[&str], threads: u32) -> f64 {
    let (mut rates, mut efforts) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let ours = agent(kind, threads);
        let (events, seconds, cpu) = sysbench(arguments, threads);
        let (our_events, our_seconds) = (ours.events as f64, ours.elapsed_ns as f64 / 1e9);
        rates.push((our_events / our_seconds) / (events / seconds));
        efforts.push((our_events / (ours.usage.cpu_ns() as f64 / 1e9)) / (events / cpu));
    }
    let (low, high) = (min(&rates), -min(&rates.iter().map(|rate| -rate).collect::<Vec<_>>()));
    let (rate, effort) = (median(rates), median(efforts));
    report(&format!(
        "{name} x{threads}: rate ratio {rate:.4} [{low:.3}, {high:.3}], per CPU second {effort:.4}"
    ));
    effort
}

fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

#[expect(clippy::print_stderr, reason = "the figures are what this is run for")]
fn report(line: &str) {
    eprintln!("{line}");
}

#[test]
#[ignore = "needs sysbench, ISOTARE_AGENT and a quiet machine"]
fn cpu_agrees_with_sysbench() {
    for threads in [1, 2] {
        let effort = compare("cpu", &Kind::Cpu { max_prime: 10_000 }, &["cpu"], threads);
        assert!((effort - 1.0).abs() < 0.02, "{effort}");
    }
}

/// The fastest of many events of several milliseconds was probably not interrupted, so this also holds on a
/// busy machine.
#[test]
#[ignore = "needs sysbench and ISOTARE_AGENT"]
fn the_fastest_cpu_event_agrees_with_sysbench() {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let report = agent(&Kind::Cpu { max_prime: 100_000 }, 1);
        let latency: Histogram<u64> =
            Deserializer::new().deserialize(&mut &report.latency[..]).expect("decodes");
        ours.push(latency.min() as f64 / 1e6);
        let run =
            Command::new("sysbench").args(["cpu", "--cpu-max-prime=100000", "--time=1", "run"]).output();
        let text = String::from_utf8_lossy(&run.expect("sysbench").stdout).into_owned();
        let min = text.lines().find_map(|line| line.trim().strip_prefix("min:")?.trim().parse().ok());
        theirs.push(min.expect("a minimum"));
    }
    let (fastest, their_fastest) = (min(&ours), min(&theirs));
    let (middle, their_middle) = (median(ours), median(theirs));
    report(&format!(
        "cpu, fastest event: agent {fastest:.3} ms, sysbench {their_fastest:.3} ms; medians of {PAIRS} runs {middle:.3} \
         and {their_middle:.3} ms"
    ));
    assert!((their_fastest / fastest - 1.0).abs() < 0.02, "{fastest} {their_fastest}");
}

#[test]
#[ignore = "needs sysbench, ISOTARE_AGENT and a quiet machine"]
fn memory_is_compared_with_sysbench() {
    for (block, text) in [(1 << 20, "1M"), (1 << 10, "1K")] {
        for (operation, oper) in [(Operation::Write, "write"), (Operation::Read, "read")] {
            for (access, mode) in [(Access::Sequential, "seq"), (Access::Random, "rnd")] {
                let kind = Kind::Memory(MemoryJob { block, total: 0, operation, access });
                let size = format!("--memory-block-size={text}");
                let (oper, access) =
                    (format!("--memory-oper={oper}"), format!("--memory-access-mode={mode}"));
                let name = format!("memory {text} {oper} {mode}");
                let total = "--memory-total-size=100T";
                compare(&name, &kind, &["memory", &size, &oper, &access, total], 1);
            }
        }
    }
}

#[test]
#[ignore = "needs hyperfine, ISOTARE_AGENT and a quiet machine"]
fn a_loop_has_no_more_overhead_than_hyperfine() {
    let folder = tempfile::tempdir().expect("folder");
    let export = folder.path().join("h.json");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (mut agent, _) = Agent::start_program(&program());
        let answer = agent.run(Job::Command(CommandJob {
            argv: vec!["/bin/true".into()],
            env: std::env::vars().collect(),
            directory: None,
            stdin: Vec::new(),
            repetition: Repetition::Loop { warmup: 3, min_runs: 500, duration_ms: 0 },
        }));
        let runs: Vec<f64> = answer.command().1.iter().map(|run| run.wall_ns as f64 / 1e3).collect();
        drop(agent);
        let status = Command::new("hyperfine")
            .args(["-N", "--warmup", "3", "--runs", "500", "--export-json"])
            .arg(&export)
            .arg("/bin/true")
            .output()
            .expect("hyperfine");
        assert!(status.status.success());
        let text = std::fs::read_to_string(&export).expect("export");
        let times = text.split("\"times\": [").nth(1).and_then(|rest| rest.split(']').next()).expect("times");
        let times: Vec<f64> = times.split(',').filter_map(|word| word.trim().parse().ok()).collect();
        ours.push((median(runs.clone()), min(&runs)));
        let times: Vec<f64> = times.into_iter().map(|seconds: f64| seconds * 1e6).collect();
        theirs.push((median(times.clone()), min(&times)));
    }
    let columns = |pairs: &[(f64, f64)]| {
        let (medians, minima) = pairs.iter().copied().unzip();
        (median(medians), median(minima))
    };
    let ((our_median, our_min), (their_median, their_min)) = (columns(&ours), columns(&theirs));
    report(&format!(
        "/bin/true: agent median {our_median:.1} us, min {our_min:.1}; hyperfine median {their_median:.1} us, min \
         {their_min:.1}"
    ));
}

#[test]
#[ignore = "needs ISOTARE_AGENT and a quiet machine"]
fn the_agent_starts_in_milliseconds() {
    let (mut to_main, mut to_hello) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let before = std::time::Instant::now();
        let (_agent, hello) = Agent::start_program(&program());
        to_hello.push(before.elapsed().as_secs_f64() * 1e3);
        to_main.push((hello.clock_ns - hello.started_ns) as f64 / 1e6);
    }
    let (hello, main) = (median(to_hello), median(to_main));
    report(&format!("spawn to hello {hello:.3} ms, of which {main:.3} ms since main began"));
}
