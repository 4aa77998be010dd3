//! Rules about programs inside an instance.

use crate::bed::Bed;
use isotare_core::Captured;
use isotare_host::AgentError;
use isotare_protocol::{Builtin, CommandJob, Exit, Job, JobResult, Kind, Limit, Repetition, ToAgent, encode};
use std::io::Write;

/// A job that runs a shell command.
pub(super) fn shell(script: &str) -> Job {
    Job::Command(shell_job(script))
}

fn shell_job(script: &str) -> CommandJob {
    CommandJob {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        directory: Some("/".to_owned()),
        stdin: Vec::new(),
        repetition: Repetition::Once,
    }
}

/// A job that runs a built-in workload for a short time.
pub(super) fn builtin_job(kind: Kind, threads: u32, duration_ms: u64) -> Job {
    let limit = Limit { duration_ms: Some(duration_ms), events: None };
    Job::Builtin(Builtin { kind, threads, limit, warmup_ms: 10, interval_ms: 10 })
}

pub(super) fn exec(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let mut job = shell_job("cat; printf '%s|' \"$WORD\" \"$1\" \"$2\"; printf err >&2; exit 7");
    job.argv.extend(["sh", "a b", "c'd"].map(str::to_owned));
    job.env.push(("WORD".to_owned(), "of mouth".to_owned()));
    job.stdin = b"in;".to_vec();
    let output = life.run(Job::Command(job))?;
    let (stdout, stderr) = (output.streams.stdout.text(), output.streams.stderr.text());
    if (stdout.as_ref(), stderr.as_ref()) != ("in;of mouth|a b|c'd|", "err") {
        return Err(format!("stdout was {stdout:?}, stderr {stderr:?}"));
    }
    expect_exit(&output.result, Exit::Code(7))?;
    let output = life.run(shell("kill -9 $$"))?;
    expect_exit(&output.result, Exit::Signal(9))?;
    life.end()
}

pub(super) fn signals(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let terminate = encode(&ToAgent::Signal(15)).map_err(|error| error.to_string())?;
    let mut wire = life.wire()?;
    let output = life.run_heard(shell("exec sleep 600"), &mut || {
        wire.write_all(&terminate).map_err(|error| error.to_string())
    })?;
    expect_exit(&output.result, Exit::Signal(15))?;
    life.run(shell("true"))?;
    life.end()
}

fn expect_exit(result: &JobResult, expected: Exit) -> Result<(), String> {
    match result {
        JobResult::Command { exit, .. } if *exit == expected => Ok(()),
        other => Err(format!("expected {expected}, got {other:?}")),
    }
}

pub(super) fn large_output(bed: &mut Bed<'_>) -> Result<(), String> {
    const LINES: usize = 40_000;
    let mut life = bed.begin()?;
    // A hundred lines are written at once. With one write for each line, sandboxes that handle system calls
    // themselves would take a minute.
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do o=; e=; n=$((i+100)); \
         while [ $i -lt $n ]; do o=\"${{o}}out$i\\n\"; e=\"${{e}}err$i\\n\"; i=$((i+1)); done; \
         printf \"$o\"; printf \"$e\" >&2; done"
    );
    let output = life.run(shell(&script))?;
    for (name, stream) in [("out", &output.streams.stdout), ("err", &output.streams.stderr)] {
        let whole: String = (0..LINES).map(|i| format!("{name}{i}\n")).collect();
        if *stream != Captured::of(whole.as_bytes()) {
            return Err(format!(
                "{} of {} bytes of std{name} came back, or not in order",
                stream.bytes,
                whole.len()
            ));
        }
    }
    life.end()
}

pub(super) fn missing_program(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    let mut job = shell_job("");
    job.argv = vec!["/no/such/program".to_owned()];
    match life.try_run(Job::Command(job)) {
        Err(AgentError::Refused(why)) if why.contains("/no/such/program") => {}
        other => return Err(format!("expected a refusal that names the program, got {other:?}")),
    }
    life.run(shell("true"))?;
    life.end()
}

pub(super) fn hundred(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    for i in 0..100 {
        let output = life.run(shell(&format!("echo {i}; exit {i}")))?;
        expect_exit(&output.result, Exit::Code(i))?;
        let stdout = output.streams.stdout.text();
        if stdout != format!("{i}\n") {
            return Err(format!("exec {i} wrote {stdout:?}"));
        }
    }
    life.end()
}

pub(super) fn builtin(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    // On a busy machine, any length of time can pass without an event, so the limit is a number of events.
    let limit = Limit { duration_ms: None, events: Some(50) };
    let kind = Kind::Cpu { max_prime: 100 };
    let job = Builtin { kind, threads: 1, limit, warmup_ms: 10, interval_ms: 10 };
    let output = life.run(Job::Builtin(job))?;
    match output.result {
        // There are 25 primes up to 100; sysbench's loop starts at 3 and so counts 24.
        JobResult::Work(report) if report.events == 50 && report.wrong == 0 && report.proof == 24 => {
            life.end()
        }
        other => Err(format!("{other:?}")),
    }
}
