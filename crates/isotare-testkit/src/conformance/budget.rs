//! Rules about the budget: the instance sees it, and it is enforced.

use super::exec::{builtin_job, shell};
use crate::bed::{Bed, Life};
use crate::tally;
use isotare_cgroup::{CgroupStats, Hierarchies};
use isotare_core::{JobOutput, Member, Role, with_sources};
use isotare_host::AgentError;
use isotare_protocol::{Access, Exit, JobResult, Kind, MemoryJob, Operation};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(super) fn cpus(bed: &mut Bed<'_>) -> Result<(), String> {
    if bed.unlimited().is_some() {
        return Ok(());
    }
    let expected = bed.budget.cpus.count().to_string();
    let mut life = bed.begin()?;
    let facts = life.facts()?;
    match facts.get("cpus") {
        Some(cpus) if *cpus == expected => life.end(),
        other => Err(format!("expected {expected} CPUs, the agent sees {other:?}")),
    }
}

/// The counters of the host for a group.
fn stats(group: &Option<String>) -> Option<CgroupStats> {
    Some(Hierarchies::discover().ok()?.open(group.as_ref()?).stats())
}

/// Times in ms for which a busy instance is watched. Reading the counters at the begin and the end adds an
/// error to its share. This error becomes small over a long time. The excess of a budget that does not work
/// stays the same.
const STRETCHES: [u64; 3] = [400, 2000, 5000];

/// If there are more busy threads than CPUs, they get exactly the time of the CPUs.
pub(super) fn hog(bed: &mut Bed<'_>) -> Result<(), String> {
    if bed.unlimited().is_some() {
        return Ok(());
    }
    let cpus = bed.budget.cpus.count();
    let mut life = bed.begin()?;
    let mut shares = Vec::new();
    for stretch in STRETCHES {
        let share = share(&mut life, cpus + 2, stretch)?;
        // The time and the counters are not read at the same moment, so ten per cent more is accepted.
        if share > 0.0 && share <= f64::from(cpus) * 1.1 {
            return life.end();
        }
        shares.push(format!("{share:.2} in {stretch} ms"));
    }
    Err(format!("{} threads had more CPUs than a budget of {cpus}: {}", cpus + 2, shares.join(", ")))
}

/// CPUs that this number of busy threads get for this number of milliseconds.
fn share(life: &mut Life, threads: u32, stretch: u64) -> Result<f64, String> {
    let used = |group: &Option<String>| stats(group)?.cpu_total_ns;
    let group = life.instance.footprint().cgroup;
    let (before, begin) = (used(&group), Instant::now());
    let output = life.run(builtin_job(Kind::Cpu { max_prime: 1000 }, threads, stretch))?;
    let (took, after) = (begin.elapsed(), used(&group));
    let JobResult::Work(report) = output.result else {
        return Err(format!("{:?}", output.result));
    };
    // The counts of the host are used, because an instance's own kernel, or a sandbox, may count differently.
    let (nanos, elapsed) = match before.zip(after) {
        Some((before, after)) => (after.saturating_sub(before), took.as_nanos()),
        None => (report.usage.cpu_ns(), u128::from(report.elapsed_ns)),
    };
    Ok(nanos as f64 / elapsed.max(1) as f64)
}

pub(super) fn memory(bed: &mut Bed<'_>) -> Result<(), String> {
    if bed.unlimited().is_some() {
        return Ok(());
    }
    let block = 3 * bed.budget.memory;
    let mut life = bed.begin()?;
    let group = life.instance.footprint().cgroup;
    // A group above the one that contains the processes does not count their events. Some runtimes remove the
    // inner group with its last process.
    let is_own = Hierarchies::discover()
        .is_ok_and(|all| group.as_ref().is_some_and(|path| !all.open(path).processes().is_empty()));
    let kills = || stats(&group)?.oom_kills;
    let before = kills().filter(|_| is_own && !bed.owns_kernel());
    let kind = Kind::Memory(MemoryJob {
        block,
        total: 2 * block,
        operation: Operation::Write,
        access: Access::Sequential,
    });
    match life.try_run(builtin_job(kind, 1, 50)) {
        Ok(output) => return Err(format!("it wrote {block} bytes: {:?}", output.result)),
        Err(AgentError::Wait(error)) => return Err(format!("it neither worked nor was killed: {error}")),
        Err(_) => {}
    }
    if before.is_some() && kills().is_some_and(|after| Some(after) <= before) {
        return Err("it was killed, but not because of its memory limit".to_owned());
    }
    life.abandon()
}

/// If a shell starts more processes than the limit allows, it must fail, and the host must never count more
/// than the limit.
pub(super) fn processes(bed: &mut Bed<'_>) -> Result<(), String> {
    let Some(limit) = bed.budget.processes else { return Ok(()) };
    // An instance with its own kernel is not limited by the counters of the host.
    if bed.unlimited().is_some() || bed.owns_kernel() {
        return Ok(());
    }
    let hierarchies = Hierarchies::discover().map_err(|error| with_sources(&error))?;
    if !hierarchies.limits_tasks() {
        tally::tell("skipped limit of processes: this machine has no cgroup controller pids");
        return Ok(());
    }
    let mut life = bed.begin()?;
    let footprint = life.instance.footprint();
    let group = footprint.cgroup.clone();
    // A shim may be in the group above the group with the limit.
    let shims: u64 = footprint.members.iter().filter(|member| member.role == Role::Shim).map(threads).sum();
    let script = format!(
        "i=0; while [ $i -lt {limit} ]; do sleep 600 </dev/null >/dev/null 2>&1 & i=$((i+1)); done; exit 0"
    );
    let (ran, most) = counting(&group, || life.try_run(shell(&script)));
    match ran {
        Ok(JobOutput { result: JobResult::Command { exit: Exit::Code(0), .. }, .. }) => {
            return Err(format!("it started {limit} processes beside those that were there"));
        }
        Err(AgentError::Wait(error)) => return Err(format!("it neither worked nor failed: {error}")),
        // The limit may also stop the agent in the middle of its work.
        Ok(_) | Err(_) => {}
    }
    if most == 0 || most > u64::from(limit) + shims {
        return Err(format!(
            "the host counted {most} processes and threads at once, {shims} of them the runtime's at most; the limit is {limit}"
        ));
    }
    match group.as_ref().and_then(|path| hierarchies.open(path).tasks()) {
        Some(tasks) if tasks.limit == Some(limit.into()) && tasks.refused > 0 => life.abandon(),
        other => Err(format!("it failed, but not because of the limit of {limit} processes: {other:?}")),
    }
}

fn threads(member: &Member) -> u64 {
    std::fs::read_dir(format!("/proc/{}/task", member.pid)).map_or(0, |tasks| tasks.count() as u64)
}

/// The highest number of tasks in a group that the host counted while `then` ran.
fn counting<T>(group: &Option<String>, then: impl FnOnce() -> T) -> (T, u64) {
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let value = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let now = stats(group).and_then(|stats| stats.pids_current);
                most.fetch_max(now.unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let value = then();
        done.store(true, Ordering::Relaxed);
        value
    });
    (value, most.into_inner())
}
