//! `isotare doctor`: which environments work here, and what could make measurements unreliable.

use crate::choose::{Probed, probe_all};
use crate::cli::Doctor;
use crate::execute::interrupt;
use crate::exit::Exit;
use crate::machine::{Machine, budget};
use crate::table::Table;
use isotare_core::{Budget, EnvironmentSpec, shell_line};
use miette::Report;
use serde_json::{Value, json};

/// Memory of the instances that probes start.
const MEMORY: u64 = 512 << 20;

/// Looks at everything and says what it found.
pub fn doctor(arguments: &Doctor) -> Result<Exit, Report> {
    let interrupt = interrupt()?;
    let machine = Machine::enter(&arguments.places)?;
    let probed = probe_all(&machine, &budget(None, MEMORY, Some(Budget::PROCESSES))?, &interrupt);
    let host = machine.facts();
    drop(machine);
    let mut table = Table::new(&["environment", "status", "version, or reason and remedy"]);
    for Probed { environment, found } in &probed {
        let (status, text) = match found {
            Ok(info) => ("available", info.version.clone()),
            Err(why) => ("unavailable", format!("{} → {}", why.reason, why.remedy)),
        };
        table.row([environment.to_string(), status.to_owned(), text]);
    }
    for (name, value) in &host.facts {
        table.note(format!("{name}: {value}"));
    }
    for warning in &host.warnings {
        table.note(format!("warning: {warning}"));
    }
    advice(&probed).iter().for_each(|line| table.note(line));
    let environments: Vec<Value> = probed.iter().map(as_json).collect();
    let mut facts =
        serde_json::Map::from_iter(host.facts.into_iter().map(|(name, value)| (name, Value::from(value))));
    facts.insert("warnings".to_owned(), host.warnings.into());
    table.show(arguments.format, &json!({ "environments": environments, "host": facts }))?;
    Ok(if interrupt.is_raised() { Exit::Interrupted } else { Exit::Done })
}

/// What to do next: what works, what is missing and how to get it, and a command to begin with.
fn advice(probed: &[Probed]) -> Vec<String> {
    let working: Vec<&EnvironmentSpec> =
        probed.iter().filter(|p| p.found.is_ok()).map(|p| &p.environment).collect();
    let mut drivers: Vec<&str> = working.iter().map(|environment| environment.driver.as_str()).collect();
    drivers.dedup();
    let mut lines = vec![String::new(), format!("works here: {}", list(&drivers))];
    // What one driver needs is said once, whichever of its variants needs it.
    let mut told: Vec<(&str, &str)> = Vec::new();
    for Probed { environment, found } in probed {
        let Err(why) = found else { continue };
        if told.contains(&(&environment.driver, &why.remedy)) {
            continue;
        }
        if told.is_empty() {
            lines.push("to get more:".to_owned());
        }
        told.push((&environment.driver, &why.remedy));
        let is_whole = !drivers.contains(&environment.driver.as_str());
        let name = if is_whole { environment.driver.clone() } else { environment.to_string() };
        lines.push(format!("  {name}: {}", why.remedy));
    }
    lines.push(match example(&working) {
        Some(command) => format!("next: {command}"),
        None => "next: get one of these; there is nothing yet to compare native with".to_owned(),
    });
    lines
}

/// A comparison of two of the environments that work, the usual ones first.
fn example(working: &[&EnvironmentSpec]) -> Option<String> {
    let mut chosen: Vec<&EnvironmentSpec> = Vec::new();
    let usual = |name: &str| isotare_drivers::USUAL.contains(&name);
    let is_baseline = |environment: &EnvironmentSpec| environment.driver == "native";
    for wanted in [true, false] {
        for environment in working.iter().filter(|it| usual(&it.driver) == wanted && !is_baseline(it)) {
            if chosen.len() < 2 && chosen.iter().all(|other| other.driver != environment.driver) {
                chosen.push(environment);
            }
        }
    }
    let words = |environment: &&EnvironmentSpec| ["-e".to_owned(), environment.to_string()];
    let arguments: Vec<String> = chosen.iter().flat_map(words).collect();
    (!chosen.is_empty()).then(|| format!("isotare compare {}", shell_line(&arguments)))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn as_json(Probed { environment, found }: &Probed) -> Value {
    let name = environment.to_string();
    match found {
        Ok(info) => json!({
            "environment": name, "status": "available", "version": info.version, "details": info.details,
            "reason": null, "remedy": null,
        }),
        Err(why) => json!({
            "environment": name, "status": "unavailable", "version": null, "details": {},
            "reason": why.reason, "remedy": why.remedy,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{RuntimeInfo, Unavailable};
    use std::collections::BTreeMap;

    fn probed(environment: &str, remedy: Option<&str>) -> Probed {
        let found = match remedy {
            None => Ok(RuntimeInfo { version: "1".to_owned(), details: BTreeMap::new() }),
            Some(remedy) => Err(Unavailable::new("there is none", remedy)),
        };
        Probed { environment: environment.parse().expect("valid"), found }
    }

    #[test]
    fn doctor_ends_with_the_next_step() {
        let all = [
            probed("native", None),
            probed("ladder", None),
            probed("ladder:upto=none", None),
            probed("ladder:upto=apparmor", Some("boot a kernel that has it")),
            probed("docker", Some("install it")),
            probed("qemu:accel=kvm", Some("load kvm")),
            probed("qemu:accel=tcg", None),
            probed("xen:type=pv", Some("boot with Xen")),
            probed("xen:type=hvm", Some("boot with Xen")),
        ];
        let expected = [
            "",
            "works here: native, ladder, qemu",
            "to get more:",
            "  ladder:upto=apparmor: boot a kernel that has it",
            "  docker: install it",
            "  qemu:accel=kvm: load kvm",
            "  xen: boot with Xen",
            "next: isotare compare -e qemu:accel=tcg -e ladder",
        ];
        assert_eq!(advice(&all), expected);
        let alone = advice(&all[..1]);
        assert_eq!(
            alone[1..],
            ["works here: native", "next: get one of these; there is nothing yet to compare native with"]
        );
    }
}
