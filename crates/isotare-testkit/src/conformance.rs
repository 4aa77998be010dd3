//! What every driver has to do, checked on the real runtime.
//!
//! [`check`] takes one environment through all of it and says what did not hold. It is itself checked against a
//! driver that breaks the rules.

use crate::bed::{Bed, Life};
use isotare_core::{Driver, EnvironmentSpec, Image, Settings, Unavailable};
use isotare_host::AgentError;
use isotare_protocol::{Builtin, CommandJob, Exit, Job, JobResult, Kind, Limit, MemoryJob, Repetition};
use std::time::Duration;

/// A rule and what happened to it.
#[derive(Debug)]
pub struct Finding {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// What was seen instead; `Ok` if it holds.
    pub result: Result<(), String>,
}

type Rule = (&'static str, fn(&mut Bed<'_>) -> Result<(), String>);

const RULES: &[Rule] = &[
    ("the life cycle runs from create to delete", life_cycle),
    ("exec passes arguments, environment and stdin, and returns output and exit status", exec),
    ("a large output comes back whole on both streams", large_output),
    ("a program that is not there is refused, and the instance lives on", missing_program),
    ("a hundred execs work", hundred_execs),
    ("the instance sees the budget's CPUs", cpus),
    ("a workload that wants more memory than the budget does not get it", memory),
    ("built-in workloads work", builtin),
    ("delete works at every stage, twice, and without stop", deletes),
    ("two instances live side by side", two_at_once),
    ("an instance that dies is noticed", death),
];

/// Checks an environment. `image` holds a shell and cat.
pub fn check(
    driver: &'static dyn Driver,
    spec: &EnvironmentSpec,
    image: &Image,
    agent: &std::path::Path,
) -> Result<Vec<Finding>, Unavailable> {
    let settings = Settings::check(driver.name(), driver.settings(), spec.pairs())
        .map_err(|error| Unavailable::new(error.to_string(), "correct the spec"))?;
    let mut bed = Bed::new(agent).map_err(|error| Unavailable::new(error, "make room for tests"))?;
    bed.probe(driver, &settings)?;
    let mut findings = Vec::new();
    let prepared = bed.prepare(driver, &settings, image);
    let ready = prepared.is_ok();
    findings.push(Finding { rule: "prepare makes the environment ready", result: prepared });
    if ready {
        for (rule, holds) in RULES {
            findings.push(Finding { rule, result: holds(&mut bed) });
        }
    }
    findings.push(Finding { rule: "nothing is left on the host", result: bed.leave() });
    Ok(findings)
}

fn life_cycle(bed: &mut Bed<'_>) -> Result<(), String> {
    let life = bed.begin()?;
    let footprint = life.instance.footprint();
    if footprint.members.is_empty() {
        return Err("a running instance has an empty footprint".to_owned());
    }
    if footprint.members.iter().any(|member| isotare_host::identify(member.pid).is_none()) {
        return Err(format!("a member of the footprint does not run: {footprint:?}"));
    }
    life.end()
}

/// A shell command.
pub(crate) fn shell(script: &str) -> CommandJob {
    CommandJob {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        directory: Some("/".to_owned()),
        stdin: Vec::new(),
        repetition: Repetition::Once,
    }
}

fn exec(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let mut job = shell("cat; printf '%s|' \"$WORD\" \"$1\" \"$2\"; printf err >&2; exit 7");
    job.argv.extend(["sh", "a b", "c'd"].map(str::to_owned));
    job.env.push(("WORD".to_owned(), "of mouth".to_owned()));
    job.stdin = b"in;".to_vec();
    let output = life.run(Job::Command(job))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if (stdout.as_ref(), stderr.as_ref()) != ("in;of mouth|a b|c'd|", "err") {
        return Err(format!("stdout was {stdout:?}, stderr {stderr:?}"));
    }
    expect_exit(&output.result, Exit::Code(7))?;
    let output = life.run(Job::Command(shell("kill -9 $$")))?;
    expect_exit(&output.result, Exit::Signal(9))?;
    life.end()
}

fn expect_exit(result: &JobResult, expected: Exit) -> Result<(), String> {
    match result {
        JobResult::Command { exit, .. } if *exit == expected => Ok(()),
        other => Err(format!("expected {expected}, got {other:?}")),
    }
}

fn large_output(bed: &mut Bed<'_>) -> Result<(), String> {
    const LINES: usize = 40_000;
    let mut life = bed.begin()?;
    let script = format!("i=0; while [ $i -lt {LINES} ]; do echo out$i; echo err$i >&2; i=$((i+1)); done");
    let output = life.run(Job::Command(shell(&script)))?;
    for (name, bytes) in [("out", &output.stdout), ("err", &output.stderr)] {
        let whole: String = (0..LINES).map(|i| format!("{name}{i}\n")).collect();
        if *bytes != whole.as_bytes() {
            return Err(format!(
                "{} of {} bytes of std{name} came back, or not in order",
                bytes.len(),
                whole.len()
            ));
        }
    }
    life.end()
}

fn missing_program(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let mut job = shell("");
    job.argv = vec!["/no/such/program".to_owned()];
    match life.try_run(Job::Command(job)) {
        Err(AgentError::Refused(why)) if why.contains("/no/such/program") => {}
        other => return Err(format!("expected a refusal that names the program, got {other:?}")),
    }
    life.run(Job::Command(shell("true")))?;
    life.end()
}

fn hundred_execs(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    for i in 0..100 {
        let output = life.run(Job::Command(shell(&format!("echo {i}; exit {i}"))))?;
        expect_exit(&output.result, Exit::Code(i))?;
        if output.stdout != format!("{i}\n").as_bytes() {
            return Err(format!("exec {i} wrote {:?}", String::from_utf8_lossy(&output.stdout)));
        }
    }
    life.end()
}

fn cpus(bed: &mut Bed<'_>) -> Result<(), String> {
    let expected = bed.budget.cpus.count().to_string();
    let mut life = bed.begin()?;
    let facts = life.facts()?;
    match facts.get("cpus") {
        Some(cpus) if *cpus == expected => life.end(),
        other => Err(format!("expected {expected} CPUs, the agent sees {other:?}")),
    }
}

fn memory(bed: &mut Bed<'_>) -> Result<(), String> {
    if !bed.budget_is_enforced() {
        return Ok(());
    }
    let block = 3 * bed.budget.memory;
    let mut life = bed.begin()?;
    let kind = Kind::Memory(MemoryJob {
        block,
        total: 2 * block,
        operation: isotare_protocol::Operation::Write,
        access: isotare_protocol::Access::Sequential,
    });
    match life.try_run(builtin_job(kind)) {
        Ok(output) => Err(format!("it wrote {block} bytes: {:?}", output.result)),
        Err(AgentError::Wait(error)) => Err(format!("it neither worked nor died: {error}")),
        Err(_) => life.abandon(),
    }
}

fn builtin_job(kind: Kind) -> Job {
    let limit = Limit { duration_ms: Some(50), events: None };
    Job::Builtin(Builtin { kind, threads: 1, limit, warmup_ms: 10, interval_ms: 10 })
}

fn builtin(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let output = life.run(builtin_job(Kind::Cpu { max_prime: 100 }))?;
    match output.result {
        // There are 25 primes up to 100; sysbench's loop starts at 3 and so counts 24.
        JobResult::Work(report) if report.events > 0 && report.wrong == 0 && report.proof == 24 => life.end(),
        other => Err(format!("{other:?}")),
    }
}

fn deletes(bed: &mut Bed<'_>) -> Result<(), String> {
    bed.create()?.abandon()?;
    bed.started()?.abandon()?;
    bed.begin()?.abandon()
}

fn two_at_once(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut first = bed.begin()?;
    let mut second = bed.begin()?;
    for life in [&mut first, &mut second] {
        life.run(Job::Command(shell("true")))?;
    }
    first.end()?;
    second.run(Job::Command(shell("true")))?;
    second.end()
}

fn death(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life: Life = bed.begin()?;
    life.kill_workload()?;
    let answer = life.try_run(Job::Command(shell("true")));
    if !matches!(answer, Err(AgentError::Closed)) {
        return Err(format!("a job in a dead instance gave {answer:?}"));
    }
    // The runtime may take a moment to see it.
    std::thread::sleep(Duration::from_millis(50));
    life.abandon()
}
