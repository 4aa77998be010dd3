//! `isotare compare`: compares environments without an experiment file.

use crate::choose::{Probed, probe_these, probe_usual};
use crate::cli::Compare;
use crate::execute::{execute, interrupt};
use crate::exit::{Exit, refuse};
use crate::machine::{Machine, budget};
use crate::{output, resolve};
use isotare_core::{EnvironmentSpec, IMAGE_SETTING, Sampling, WorkloadSpec};
use isotare_plan::{Blocks, Design, OPEN_BLOCKS};
use miette::Report;
use std::path::{Path, PathBuf};

/// Fewest blocks of a session that ends by itself, and the most of one that stops by time.
const BLOCKS: Blocks = Blocks { min: 6, max: 20 };
/// Its time, s.
const TIME: f64 = 240.0;

/// Compares environments with flags or defaults.
pub fn compare(arguments: &Compare) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    let budget = budget(arguments.cpus.clone(), arguments.memory, Some(arguments.processes))?;
    let workloads = workloads(arguments)?;
    workloads.iter().try_for_each(|workload| resolve::workload(workload).map(|_| ()))?;
    let imaged =
        |environments: &[EnvironmentSpec]| environments.iter().map(|e| with_image(e, arguments)).collect();
    let environments: Vec<EnvironmentSpec> = imaged(&arguments.environments);
    let baseline = with_image(&arguments.baseline, arguments);
    let asked: Vec<EnvironmentSpec> = std::iter::once(&baseline).chain(&environments).cloned().collect();
    asked.iter().try_for_each(|environment| resolve::environment(environment).map(|_| ()))?;
    let (blocks, time_limit) = length(arguments);
    // Half the margin is enough to decide: an interval around 1 that is this narrow lies within the margin.
    let nothing_asked = arguments.blocks.is_none() && arguments.precision.is_none();
    let mut design = Design {
        environments,
        workloads,
        baseline,
        null_test: !arguments.no_null,
        blocks,
        time_limit,
        precision: arguments.precision.or(nothing_asked.then_some(arguments.margin / 2.0)),
        precision_by_default: nothing_asked,
        repeats: arguments.repeats,
        margin: arguments.margin,
        level: arguments.level,
        sampling: Sampling { rate: arguments.rate },
        timeout: arguments.timeout,
        output_limit: arguments.output_limit,
        keep_output: arguments.keep_output,
        accept_different_output: arguments.accept_different_output,
        ..Design::new(budget.clone(), arguments.seed.unwrap_or_else(|| rand::random::<u32>().into()))
    };
    // Finds mistakes before anything is probed. The environments are not chosen yet, so the baseline is used
    // in their place.
    let chosen_here = arguments.environments.is_empty();
    if chosen_here {
        design.environments = vec![design.baseline.clone()];
    }
    isotare_plan::plan(&design)?;
    let interrupt = interrupt()?;
    let machine = Machine::enter(&arguments.places)?;
    let mut probed = Vec::new();
    if chosen_here {
        probed = probe_usual(&machine, &budget, &interrupt);
        announce(&probed);
        probed.iter_mut().for_each(|p| p.environment = with_image(&p.environment, arguments));
        design.environments =
            probed.iter().filter(|p| p.found.is_ok()).map(|p| p.environment.clone()).collect();
    }
    probe_these(&asked, &machine, &budget, &interrupt, &mut probed)?;
    let plan = isotare_plan::plan(&design)?;
    execute(plan, machine, probed, &interrupt, (&arguments.output, &arguments.places))
}

/// The number of blocks, and the time limit.
fn length(arguments: &Compare) -> (Blocks, Option<f64>) {
    match (arguments.blocks, arguments.precision) {
        (Some(exactly), None) => (Blocks::exactly(exactly), None),
        (None, None) => (BLOCKS, Some(arguments.time.unwrap_or(TIME))),
        (most, Some(_)) => {
            let max = most.unwrap_or(OPEN_BLOCKS);
            (Blocks { min: BLOCKS.min.min(max), max }, arguments.time)
        }
    }
}

/// The environment with the image of --image, if it can have one.
fn with_image(environment: &EnvironmentSpec, arguments: &Compare) -> EnvironmentSpec {
    let mut environment = environment.clone();
    if let (Some(image), Ok(driver)) = (&arguments.image, isotare_drivers::find(&environment.driver)) {
        environment.default_to(IMAGE_SETTING.key, &image.to_string(), driver.settings());
    }
    environment
}

fn workloads(arguments: &Compare) -> Result<Vec<WorkloadSpec>, Report> {
    if !arguments.command.is_empty() {
        let mut command = isotare_plan::command(&arguments.command);
        if !arguments.carry.is_empty() {
            let carried: Result<Vec<PathBuf>, Report> =
                arguments.carry.iter().map(|file| absolute(file)).collect();
            let list = serde_json::to_string(&carried?)
                .map_err(|error| refuse(error, "name files whose names are valid UTF-8"))?;
            command.given.push(("carry".to_owned(), list));
        }
        return Ok(vec![command]);
    }
    Ok(match arguments.workloads.as_slice() {
        [] => isotare_workloads::quick_suite(),
        given => given.to_vec(),
    })
}

fn absolute(file: &Path) -> Result<PathBuf, Report> {
    std::path::absolute(file)
        .map_err(|error| refuse(format!("{}: {error}", file.display()), "name an existing file"))
}

fn announce(probed: &[Probed]) {
    for Probed { environment, found } in probed {
        match found {
            Ok(info) => output::say(&format!("{environment}: {}", info.version)),
            Err(why) => output::say(&format!("{environment}: not compared: {why}")),
        }
    }
}
