//! The results of a self-test, in all formats.

use crate::cli::Form;
use crate::exit::refuse;
use crate::output::{percent, print};
use crate::table::Table;
use isotare_selftest::{Findings, LIMIT_PPM, ObserverCost, Recovery, Status};
use miette::Report;
use serde_json::Value;

/// Prints it.
pub fn show(findings: &Findings, form: Form) -> Result<(), Report> {
    let json = serde_json::to_value(findings)
        .map_err(|error| refuse(error, "this is a bug in isotare; please report it"))?;
    match form {
        Form::Json => Table::new(&[]).show(form, &json),
        Form::Csv => rows(findings).show(form, &Value::Null),
        Form::Text | Form::Markdown | Form::Html => {
            let tables = [recovered(findings), observed(findings), footer(findings)];
            let mut is_first = true;
            for table in tables.iter().filter(|table| !table.is_empty()) {
                if !std::mem::take(&mut is_first) {
                    print("\n", form)?;
                }
                table.show(form, &Value::Null)?;
            }
            Ok(())
        }
    }
}

/// Everything as rows of one table.
fn rows(findings: &Findings) -> Table {
    let mut table = Table::new(&[
        "kind",
        "injection",
        "workload",
        "true_ratio",
        "ratio",
        "low",
        "high",
        "recovered",
        "blocks",
        "repeat",
        "session",
    ]);
    for found in &findings.injections {
        table.row([
            found.kind.to_owned(),
            found.injection.clone(),
            found.workload.clone(),
            found.true_ratio.to_string(),
            found.ratio.to_string(),
            found.low.to_string(),
            found.high.to_string(),
            found.recovered.to_string(),
            found.blocks.to_string(),
            found.repeat.to_string(),
            found.session.clone(),
        ]);
    }
    for cost in &findings.observer {
        table.row([
            isotare_selftest::OBSERVER.to_owned(),
            String::new(),
            cost.workload.clone(),
            String::new(),
            cost.ratio.to_string(),
            cost.low.to_string(),
            cost.high.to_string(),
            String::new(),
            cost.blocks.to_string(),
            String::new(),
            cost.session.clone(),
        ]);
    }
    table
}

/// A row for each known overhead. Repeated injections of the same overhead share a row.
fn recovered(findings: &Findings) -> Table {
    let interval = format!("interval [{}]", percent(findings.summary.level));
    let mut table =
        Table::new(&["known overhead", "workload", "true ratio", "found", &interval, "blocks", "recovered"]);
    let mut names: Vec<&str> = Vec::new();
    for found in &findings.injections {
        if !names.contains(&found.injection.as_str()) {
            names.push(&found.injection);
        }
    }
    for name in names {
        let turns: Vec<&Recovery> =
            findings.injections.iter().filter(|found| found.injection == name).collect();
        let middle = |of: fn(&Recovery) -> f64| {
            let mut values: Vec<f64> = turns.iter().map(|found| of(found)).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let hits = turns.iter().filter(|found| found.recovered).count();
        let verdict = match (turns.len(), hits) {
            (1, 1) => "yes".to_owned(),
            (1, _) => "no".to_owned(),
            (all, hits) => format!("{hits} of {all}"),
        };
        table.row([
            name.to_owned(),
            turns[0].workload.clone(),
            format!("×{}", digits(turns[0].true_ratio)),
            format!("×{}", digits(middle(|found| found.ratio))),
            format!("[{}, {}]", digits(middle(|found| found.low)), digits(middle(|found| found.high))),
            turns[0].blocks.to_string(),
            verdict,
        ]);
    }
    for lost in &findings.not_measured {
        let word = match lost.status {
            Status::Unavailable => "unavailable",
            Status::Disturbed => "disturbed",
            Status::Failed => "failed",
        };
        let none = || "–".to_owned();
        table.row([lost.injection.clone(), none(), none(), none(), none(), "0".to_owned(), word.to_owned()]);
    }
    table
}

/// A row for each workload.
fn observed(findings: &Findings) -> Table {
    let interval = format!("interval [{}]", percent(findings.summary.level));
    let target = format!("below {}", percent(findings.observer_target));
    let mut table = Table::new(&["overhead of sampling", "metric", "ratio", &interval, "blocks", &target]);
    for cost in &findings.observer {
        table.row([
            cost.workload.clone(),
            cost.metric.replace('_', " "),
            format!("×{}", digits(cost.ratio)),
            format!("[{}, {}]", digits(cost.low), digits(cost.high)),
            cost.blocks.to_string(),
            within(cost),
        ]);
    }
    table
}

fn within(cost: &ObserverCost) -> String {
    match (cost.adds, cost.within_target, cost.resolves) {
        (Some(seconds), _, _) => format!("adds {:.2} ms", 1e3 * seconds),
        (None, Some(true), _) => "yes".to_owned(),
        (None, Some(false), _) => "no".to_owned(),
        (None, None, Some(resolves)) => format!("not shown (resolves {})", percent(resolves)),
        (None, None, None) => "not shown".to_owned(),
    }
}

/// The notes below the tables.
fn footer(findings: &Findings) -> Table {
    let mut table = Table::new(&[]);
    let summary = &findings.summary;
    if summary.measured > 0 {
        let judged = match summary.passed {
            true => "not fewer than chance explains",
            false => "fewer than chance explains",
        };
        table.note(format!(
            "recovered {} of {} known overheads, {judged}; intervals of {} (p {:.2})",
            summary.recovered,
            summary.measured,
            percent(summary.level),
            summary.p
        ));
    }
    for lost in &findings.not_measured {
        let remedy = if lost.remedy.is_empty() { String::new() } else { format!("; {}", lost.remedy) };
        table.note(format!("{}: {}{remedy}", lost.injection, lost.reason));
    }
    let clocks = findings.clocks;
    if clocks.trials > 0 {
        table.note(format!(
            "the clocks inside the instances differed from the host's by at most {:.0} ppm, beyond the error \
             of their readings; in {} of {} trials by more than {LIMIT_PPM:.0} ppm, {} of which were refused",
            clocks.worst_ppm, clocks.beyond, clocks.trials, clocks.refused
        ));
    }
    let records = &findings.records;
    if records.required > 0 {
        table.note(format!(
            "{} facts are recorded for every environment; {} of them are unknown{}",
            records.required,
            records.unknown.len(),
            if records.missing.is_empty() {
                String::new()
            } else {
                format!(", {} MISSING", records.missing.len())
            }
        ));
    }
    let fact = |name: &str| findings.host.facts.get(name).cloned().unwrap_or_default();
    table.note(format!(
        "{}, {}, Linux {}, load {}, CPUs {}, isotare {}, seed {}",
        findings.started,
        fact("cpu-model"),
        fact("kernel"),
        fact("load-average"),
        findings.cpus,
        findings.version,
        findings.seed
    ));
    table
}

/// Four decimals, so that half a per cent can be distinguished from zero.
fn digits(ratio: f64) -> String {
    format!("{ratio:.4}")
}
