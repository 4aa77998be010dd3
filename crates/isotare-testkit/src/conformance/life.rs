//! Rules about the life of instances.

use super::exec::shell;
use crate::bed::{Bed, Life};
use isotare_host::AgentError;
use std::time::{Duration, Instant};

/// The time in which a killed instance must be gone.
const DEATH: Duration = Duration::from_secs(30);

pub(super) fn cycle(bed: &mut Bed<'_>) -> Result<(), String> {
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

pub(super) fn order(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.create()?;
    match life.wait_ready_for(Duration::from_millis(300)) {
        Ok(()) => Err("an agent connected before start".to_owned()),
        Err(_) => life.abandon(),
    }
}

pub(super) fn stop(bed: &mut Bed<'_>) -> Result<(), String> {
    let grace = Duration::from_millis(200);
    let mut life = bed.begin()?;
    let begin = Instant::now();
    // The agent was not told to end.
    let stopped = life.stop_within(grace);
    let took = begin.elapsed();
    if stopped.is_ok() {
        return Err("an instance that did not end by itself was called stopped".to_owned());
    }
    if took < grace || took > grace + DEATH {
        return Err(format!("with a grace of {grace:?} it took {took:?}"));
    }
    expect_dead(&mut life)?;
    life.abandon()
}

pub(super) fn deletes(bed: &mut Bed<'_>) -> Result<(), String> {
    bed.create()?.abandon()?;
    bed.started()?.abandon()?;
    bed.begin()?.abandon()
}

pub(super) fn two_at_once(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut first = bed.begin()?;
    let mut second = bed.begin()?;
    for life in [&mut first, &mut second] {
        life.run(shell("true"))?;
    }
    first.end()?;
    second.run(shell("true"))?;
    second.end()
}

pub(super) fn taken_name(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut owner = bed.begin()?;
    // If a name is only a label, two instances may have it.
    if let Ok(second) = bed.create_named(owner.name()) {
        second.abandon()?;
    }
    owner.run(shell("true")).map_err(|error| format!("it harmed the first instance: {error}"))?;
    owner.end()
}

pub(super) fn death(bed: &mut Bed<'_>) -> Result<(), String> {
    let mut life = bed.begin()?;
    if !life.has_workload_here() {
        // It has no process on this host that could be killed, for example a guest next to dom0.
        return life.abandon();
    }
    life.kill_workload()?;
    expect_dead(&mut life)?;
    // The runtime may take a moment to notice it.
    std::thread::sleep(Duration::from_millis(50));
    life.abandon()
}

fn expect_dead(life: &mut Life) -> Result<(), String> {
    match life.try_run(shell("true")) {
        Err(AgentError::Closed) => Ok(()),
        answer => Err(format!("a job in a dead instance gave {answer:?}")),
    }
}
