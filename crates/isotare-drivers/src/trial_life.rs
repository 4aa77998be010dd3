//! Tests that an environment works: one instance runs until its agent has connected. It is not enough that a
//! program or a device node exists.

use isotare_core::{DriverError, Environment, InstanceContext, PrepareContext, with_sources};
use isotare_host::{make_run_folder, now};
use std::fs;
use std::time::Duration;

/// Factor for timeouts on a processor that is itself emulated.
const EMULATED: u32 = 8;

/// Creates, starts and deletes an instance as a trial would; why that did not work. It has `patience` to be
/// ready, and in any case no longer than the context.
pub(crate) fn live(
    environment: &dyn Environment,
    patience: Duration,
    cx: &PrepareContext<'_>,
) -> Result<(), String> {
    let (work, run) = (cx.work.join("probe"), cx.work.join("run"));
    for (folder, made) in [(&work, fs::create_dir(&work)), (&run, make_run_folder(&run))] {
        made.map_err(|e| format!("make {}: {e}", folder.display()))?;
    }
    let instance = format!("{}-probe", cx.session);
    // Not below the session's group: that may not exist, and then nobody would remove it.
    let cgroup = format!("isotare/{instance}");
    let trial = InstanceContext {
        session: cx.session,
        instance: &instance,
        cgroup: &cgroup,
        work: &work,
        run: &run,
        budget: cx.budget,
        network: None,
        ledger: cx.ledger,
        deadline: cx.deadline.clone(),
        mark: &|_| {},
    };
    let begin = now();
    let patience = patience.saturating_mul(if isotare_facts::is_emulated() { EMULATED } else { 1 });
    let hurry = trial.until(cx.deadline.at.min(begin.plus(patience)));
    let mut life = environment.create(&hurry).map_err(|error| with_sources(&error))?;
    let ready = life.start(&hurry).and_then(|()| life.wait_ready(&hurry)).map(drop);
    let lived = ready.map_err(|error| {
        let time = now().since(begin).as_secs_f64();
        let error = match error {
            DriverError::TimedOut { .. } => format!("it was not ready within {time:.1} s"),
            other => with_sources(&other),
        };
        let said = life.diagnostics();
        match said.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
            Some(words) if !error.contains(words) => format!("{error}; its last output: {words}"),
            Some(_) => error,
            None => format!("{error}; it wrote nothing"),
        }
    });
    // Not within the timeout, which may be over.
    let deleted = life.delete(&trial).map_err(|error| with_sources(&error));
    for folder in [&work, &run] {
        // They are in the environment's work folder, which its owner removes as well.
        let _left = isotare_files::remove_tree(folder);
    }
    lived.and(deleted)
}
