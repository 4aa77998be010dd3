//! Which environments work here.

use isotare_core::{
    Budget, Deadline, Driver, EnvironmentSpec, Interrupt, PrepareContext, RuntimeInfo, Settings, Unavailable,
};
use isotare_host::deadline_in;
use std::time::Duration;

use crate::machine::Machine;
use crate::resolve;

/// Time that one probe may take. A probe boots an instance if that is necessary.
const PROBE: Duration = Duration::from_secs(20);
/// The same where the processor is emulated.
const PROBE_EMULATED: Duration = Duration::from_secs(200);

/// An environment and whether it works.
pub struct Probed {
    /// Its spec.
    pub environment: EnvironmentSpec,
    /// Version and details, or reason and remedy.
    pub found: Result<RuntimeInfo, Unavailable>,
}

/// Probes one environment in a folder of its own.
pub fn probe(
    driver: &'static dyn Driver,
    settings: &Settings,
    machine: &Machine,
    budget: &Budget,
    interrupt: &Interrupt,
) -> Result<RuntimeInfo, Unavailable> {
    let folder = machine.work.join(format!("probe{:08x}", rand::random::<u32>()));
    std::fs::create_dir(&folder).map_err(|error| {
        Unavailable::new(
            format!("{} cannot be made: {error}", folder.display()),
            "free space or choose another --work",
        )
    })?;
    let patience = if isotare_facts::is_emulated() { PROBE_EMULATED } else { PROBE };
    let deadline: Deadline = deadline_in(patience, interrupt);
    let cx = PrepareContext {
        session: &machine.session,
        work: &folder,
        agent: &machine.agent,
        budget,
        ledger: machine.state(),
        deadline,
    };
    let found = driver.probe(settings, &cx);
    // The session's folder, with this in it, is removed in the end.
    let _leftover = isotare_files::remove_tree(&folder);
    found
}

/// Probes every variant of every driver.
pub fn probe_all(machine: &Machine, budget: &Budget, interrupt: &Interrupt) -> Vec<Probed> {
    probe_variants(|_| true, false, machine, budget, interrupt)
}

/// Probes the drivers that a comparison uses by default, each up to its first variant that works.
pub fn probe_usual(machine: &Machine, budget: &Budget, interrupt: &Interrupt) -> Vec<Probed> {
    probe_variants(|name| isotare_drivers::USUAL.contains(&name), true, machine, budget, interrupt)
}

fn probe_variants(
    wanted: impl Fn(&str) -> bool,
    first_of_each: bool,
    machine: &Machine,
    budget: &Budget,
    interrupt: &Interrupt,
) -> Vec<Probed> {
    let mut probed = Vec::new();
    for driver in isotare_drivers::DRIVERS.iter().filter(|driver| wanted(driver.name())) {
        for variant in driver.variants() {
            let text = if variant.is_empty() {
                driver.name().to_owned()
            } else {
                format!("{}:{variant}", driver.name())
            };
            let Ok(environment) = text.parse::<EnvironmentSpec>() else { continue };
            let Ok((driver, settings)) = resolve::environment(&environment) else { continue };
            let found = probe(driver, &settings, machine, budget, interrupt);
            let works = found.is_ok();
            probed.push(Probed { environment, found });
            if works && first_of_each {
                break;
            }
        }
    }
    probed
}
