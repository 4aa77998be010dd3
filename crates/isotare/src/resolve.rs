//! Finds the drivers and workloads that specs name, and checks their settings.

use crate::exit::refuse;
use isotare_core::{Driver, EnvironmentSpec, Place, Plan, Settings, Workload, WorkloadSpec};
use isotare_runner::{FixedPlace, Work};
use miette::Report;

/// The driver of an environment with its settings.
pub fn environment(spec: &EnvironmentSpec) -> Result<(&'static dyn Driver, Settings), Report> {
    let driver = isotare_drivers::find(&spec.driver)
        .map_err(|error| refuse(error, "'isotare doctor' lists the environments and what they need"))?;
    let owner = format!("driver {}", driver.name());
    let settings = Settings::check(&owner, driver.settings(), spec.pairs())
        .map_err(|error| refuse(format!("environment '{spec}': {error}"), "correct the setting"))?;
    Ok((driver, settings))
}

/// A workload with its settings.
pub fn workload(spec: &WorkloadSpec) -> Result<(Box<dyn Workload>, Settings), Report> {
    let workload = isotare_workloads::find(&spec.name).ok_or_else(|| {
        let known: Vec<_> = isotare_workloads::workloads().iter().map(|workload| workload.name()).collect();
        refuse(
            format!("unknown workload '{}'; known workloads: {}", spec.name, known.join(", ")),
            "choose one of them, or give a command after --",
        )
    })?;
    let owner = format!("workload {}", spec.name);
    let settings = Settings::check(&owner, workload.settings(), spec.pairs())
        .map_err(|error| refuse(format!("workload '{spec}': {error}"), "correct the setting"))?;
    // If something is missing on the host, such as a program or a readable file, it is missing in all
    // environments.
    workload.job(&settings).and_then(|_| workload.image(&settings, &|_| false)).map_err(|error| {
        refuse(format!("workload '{spec}': {error}"), "correct the setting, or install the missing program")
    })?;
    Ok((Box::new(workload), settings))
}

/// The environments in which the workload places parts of its trials, with their drivers.
fn fixed(workload: &dyn Workload, settings: &Settings) -> Result<Vec<FixedPlace>, Report> {
    let parts = workload.scenario().and_then(|scenario| scenario.parts(settings).ok()).unwrap_or_default();
    let places = parts.into_iter().filter_map(|part| match part.place {
        Place::Fixed(spec) => Some(spec),
        Place::UnderTest => None,
    });
    places.map(|spec| environment(&spec).map(|driver| (spec, driver))).collect()
}

/// The driver and the workload of each condition of a plan, in its order.
pub fn works(plan: &Plan) -> Result<Vec<Work>, Report> {
    plan.conditions
        .iter()
        .map(|condition| {
            let (workload, settings) = workload(&condition.workload)?;
            let driver = environment(&condition.environment)?;
            let fixed = fixed(workload.as_ref(), &settings)?;
            Ok(Work { driver, workload, settings, fixed, is_observed: true })
        })
        .collect()
}
