//! `isotare doctor`: which environments work here, and what could make measurements unreliable.

use crate::choose::{Probed, probe_all};
use crate::cli::Doctor;
use crate::execute::interrupt;
use crate::exit::Exit;
use crate::machine::{Machine, budget};
use crate::table::Table;
use isotare_core::Budget;
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
            Err(why) => ("unavailable", format!("{}\n→ {}", why.reason, why.remedy)),
        };
        table.row([environment.to_string(), status.to_owned(), text]);
    }
    for (name, value) in &host.facts {
        table.note(format!("{name}: {value}"));
    }
    for warning in &host.warnings {
        table.note(format!("warning: {warning}"));
    }
    let environments: Vec<Value> = probed.iter().map(as_json).collect();
    let mut facts =
        serde_json::Map::from_iter(host.facts.into_iter().map(|(name, value)| (name, Value::from(value))));
    facts.insert("warnings".to_owned(), host.warnings.into());
    table.show(arguments.format, &json!({ "environments": environments, "host": facts }))?;
    Ok(if interrupt.is_raised() { Exit::Interrupted } else { Exit::Done })
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
