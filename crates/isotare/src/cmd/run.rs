//! `isotare run`: an experiment from a file.

use crate::choose::probe_these;
use crate::cli::Run;
use crate::execute::{self, execute, interrupt, kept_session, kept_sessions, store_path};
use crate::exit::{Exit, refuse, store_error};
use crate::machine::{Machine, budget};
use crate::output;
use isotare_core::{Budget, EnvironmentSpec, HostFacts, Outcome, Plan, SessionEnd};
use isotare_plan::{Design, Experiment, Known, parse};
use isotare_store::{Record, Store};
use miette::Report;
use std::collections::BTreeSet;
use std::path::Path;

/// Memory of the budget if the file does not set it.
const MEMORY: u64 = 1 << 30;

/// Maximum size of an experiment file, in bytes. A file with ten thousand conditions is a hundredth of it.
const LARGEST: u64 = 16 << 20;

/// Runs an experiment.
pub fn run(arguments: &Run) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    if arguments.resume {
        return resume(arguments);
    }
    let plan = isotare_plan::plan(&read(&arguments.file)?.design)?;
    let interrupt = interrupt()?;
    let machine = Machine::enter(&arguments.places)?;
    let mut probed = Vec::new();
    probe_these(&environments(&plan), &machine, &plan.budget, &interrupt, &mut probed)?;
    execute(plan, machine, probed, &interrupt, (&arguments.output, &arguments.places))
}

/// Continues the newest session of the experiment that was interrupted.
fn resume(arguments: &Run) -> Result<Exit, Report> {
    let interrupt = interrupt()?;
    let path = store_path(&arguments.places)?;
    let mut store = kept_sessions(&path, "name another one with --store")
        .map(drop)
        .and_then(|()| Store::open(&path).map_err(|error| store_error(error, "")))?;
    let earlier = interrupted(&arguments.file, &store)?;
    let machine = Machine::enter(&arguments.places)?;
    same_machine(&earlier, &machine.facts())?;
    let mut probed = Vec::new();
    probe_these(
        &environments(&earlier.session.plan),
        &machine,
        &earlier.session.plan.budget,
        &interrupt,
        &mut probed,
    )?;
    output::say(&format!(
        "session {} goes on after {} trials",
        earlier.session.id,
        earlier.trials.iter().filter(|trial| trial.outcome != Outcome::Interrupted).count()
    ));
    execute::resume(earlier, machine, &probed, &interrupt, (&arguments.output, &mut store))
}

/// The newest session of the file's experiment, if it was interrupted or killed.
fn interrupted(file: &Path, store: &Store) -> Result<Record, Report> {
    let sessions = store.sessions().map_err(|error| store_error(error, ""))?;
    let mut nearest: Option<(String, Vec<String>)> = None;
    for summary in sessions.iter().filter(|it| matches!(it.end, None | Some(SessionEnd::Interrupted))) {
        let record = kept_session(store, &summary.id)?;
        let stored = &record.session.plan;
        // A file without a seed gets a new one for each session.
        let design = read_seeded(file, stored.seed)?.design;
        let different = different_fields(&isotare_plan::plan(&design)?, stored);
        if different.is_empty() {
            return Ok(record);
        }
        nearest.get_or_insert((summary.id.clone(), different));
    }
    let reason = match nearest {
        None => format!("{} has no session that was interrupted", store.path().display()),
        Some((id, fields)) => format!(
            "no interrupted session has the plan of {}; the newest one, {id}, has another: {}",
            file.display(),
            fields.join(", ")
        ),
    };
    Err(refuse(reason, "leave --resume out to begin a new session"))
}

/// The names of the plan's fields in which two plans differ.
fn different_fields(one: &Plan, other: &Plan) -> Vec<String> {
    let fields = |plan: &Plan| match serde_json::to_value(plan) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (fields(one), fields(other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

/// What must not change while a session is interrupted: the machine, and the bits that are measured.
const FIXED: [&str; 6] = ["machine-id", "cpu-model", "cpus-online", "kernel", "kernel-build", "agent-sha256"];

/// Refuses to go on on another machine, or with another program.
fn same_machine(earlier: &Record, now: &HostFacts) -> Result<(), Report> {
    let before = &earlier.session.host.facts;
    let changes: Vec<String> =
        FIXED
            .iter()
            .filter_map(|name| {
                let [before, now] =
                    [before, &now.facts].map(|facts| facts.get(*name).map_or("unknown", String::as_str));
                (before != now).then(|| format!("{name} was {before} and is {now}"))
            })
            .chain((earlier.session.version != env!("CARGO_PKG_VERSION")).then(|| {
                format!("isotare was {} and is {}", earlier.session.version, env!("CARGO_PKG_VERSION"))
            }))
            .collect();
    match changes.is_empty() {
        true => Ok(()),
        false => Err(refuse(
            format!("session {} cannot go on here: {}", earlier.session.id, changes.join("; ")),
            "begin a new session without --resume: trials before and after such a change cannot be compared",
        )),
    }
}

fn environments(plan: &Plan) -> Vec<EnvironmentSpec> {
    plan.conditions.iter().map(|condition| condition.environment.clone()).collect()
}

/// Reads an experiment file.
pub fn read(file: &Path) -> Result<Experiment, Report> {
    read_seeded(file, rand::random::<u32>().into())
}

/// Reads an experiment file; `seed` is for a file that has none.
fn read_seeded(file: &Path, seed: u64) -> Result<Experiment, Report> {
    let unreadable = |error: &dyn std::fmt::Display| {
        refuse(format!("{} cannot be read: {error}", file.display()), "name a readable experiment file")
    };
    let bytes = isotare_files::named(file, LARGEST).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(&error.utf8_error()))?;
    let defaults = Design::new(budget(None, MEMORY, Some(Budget::PROCESSES))?, seed);
    let (drivers, workloads) = known();
    let experiment = parse(&file.display().to_string(), &text, &drivers, &workloads, &defaults)?;
    let Budget { cpus, memory, processes } = experiment.design.budget.clone();
    budget(Some(cpus), memory, processes)?;
    Ok(experiment)
}

/// The drivers and workloads that a file may name.
pub fn known() -> (Vec<Known<'static>>, Vec<Known<'static>>) {
    let drivers =
        isotare_drivers::DRIVERS.iter().map(|d| Known { name: d.name(), settings: d.settings() }).collect();
    let workloads = isotare_workloads::workloads()
        .iter()
        .map(|w| Known { name: w.name(), settings: w.settings() })
        .collect();
    (drivers, workloads)
}
