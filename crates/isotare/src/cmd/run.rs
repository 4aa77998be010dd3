//! `isotare run`: an experiment from a file.

use crate::choose::probe_these;
use crate::cli::Run;
use crate::execute::{execute, interrupt};
use crate::exit::{Exit, refuse};
use crate::machine::{Machine, budget};
use crate::output;
use isotare_core::Budget;
use isotare_plan::{Design, Experiment, Known, parse};
use miette::Report;
use std::path::Path;

/// Memory of the budget if the file does not set it.
const MEMORY: u64 = 1 << 30;

/// Maximum size of an experiment file, in bytes. A file with ten thousand conditions is a hundredth of it.
const LARGEST: u64 = 16 << 20;

/// Runs an experiment.
pub fn run(arguments: &Run) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    let design = read(&arguments.file)?.design;
    let plan = isotare_plan::plan(&design)?;
    let interrupt = interrupt()?;
    let machine = Machine::enter(&arguments.places)?;
    let environments: Vec<_> =
        plan.conditions.iter().map(|condition| condition.environment.clone()).collect();
    let mut probed = Vec::new();
    probe_these(&environments, &machine, &plan.budget, &interrupt, &mut probed)?;
    execute(plan, machine, probed, &interrupt, (&arguments.output, &arguments.places))
}

/// Reads an experiment file.
pub fn read(file: &Path) -> Result<Experiment, Report> {
    let unreadable = |error: &dyn std::fmt::Display| {
        refuse(format!("{} cannot be read: {error}", file.display()), "name a readable experiment file")
    };
    let bytes = isotare_files::named(file, LARGEST).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(&error.utf8_error()))?;
    let defaults = Design::new(budget(None, MEMORY, Some(Budget::PROCESSES))?, rand::random::<u32>().into());
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
