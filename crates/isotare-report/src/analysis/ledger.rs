//! The fairness ledger: facts about the environments, and which differences make the comparison unfair.

use super::design::Design;
use crate::report::{Ledger, LedgerRow};
use isotare_core::{Dependence, WorkloadInfo};
use std::collections::{BTreeMap, BTreeSet};

/// If the memory differs by more than this, the budget is different. A kernel reserves less than this for
/// itself.
const MEMORY_TOLERANCE: f64 = 0.10;

/// Longer values are not quoted in a sentence; bytes of both values together.
const VALUES_LENGTH: usize = 80;
/// If a fact changes from trial to trial, at most this many of its values are shown.
const VALUES_SHOWN: usize = 2;

/// The value of a fact that could not be found out.
const UNKNOWN: &str = "unknown";

/// First part of the name of a fact with the hash of a program. The path follows.
pub(super) const PROGRAM: &str = "program:";

/// The facts that are needed to decide whether a comparison is fair. If an environment does not know one of
/// them, the ledger shows it as unknown. Facts that only a driver knows (`disk.cache`, storage, networks of
/// engines) are added to them.
pub const RECORDS: [&str; 30] = [
    "agent.hash",
    "aslr",
    "budget.enforced",
    "capabilities",
    "clock.cost_ns",
    "clock.source",
    "cpu.flags",
    "cpu.model",
    "cpus",
    "cpus.allowed",
    "cpus.online",
    "cpus.quota",
    "data.device",
    "data.filesystem",
    "data.options",
    "environment.size",
    "hugepages",
    "image",
    "kernel",
    "ksm",
    "memory",
    "memory.cached",
    "memory.dirty",
    "mitigations",
    "network.loopback",
    "network.path",
    "personality",
    "processes",
    "seccomp",
    "thp",
];

/// Facts by name, with one value per environment (all its values, if its trials disagree).
pub(super) fn ledger(design: &Design<'_>) -> Ledger {
    let mut seen: BTreeMap<&str, Vec<BTreeSet<&str>>> = BTreeMap::new();
    for (place, trial) in design.completed() {
        for (fact, value) in &trial.facts {
            let values = seen.entry(fact).or_insert_with(|| vec![BTreeSet::new(); design.environments.len()]);
            values[place.environment].insert(value);
        }
    }
    let measured: BTreeSet<usize> = design.completed().map(|(place, _)| place.environment).collect();
    // Values of other tools have no facts.
    let records = if seen.is_empty() { &[][..] } else { &RECORDS };
    for &fact in records {
        let values = seen.entry(fact).or_insert_with(|| vec![BTreeSet::new(); design.environments.len()]);
        for at in measured.iter().filter(|at| values[**at].is_empty()).copied().collect::<Vec<_>>() {
            values[at].insert(UNKNOWN);
        }
    }
    let mut ledger = Ledger::default();
    for (fact, values) in seen {
        let known: BTreeMap<usize, String> = values
            .into_iter()
            .enumerate()
            .filter(|(_, values)| !values.is_empty())
            .map(|(at, values)| (at, together(&values)))
            .collect();
        let different: BTreeSet<&String> = known.values().collect();
        match different.into_iter().next() {
            Some(only) if known.values().all(|value| value == only) && known.len() == measured.len() => {
                ledger.same.insert(fact.to_owned(), only.clone());
            }
            Some(_) => ledger.differs.push(row(design, fact, &known)),
            None => {}
        }
    }
    ledger.differs.sort_by(|a, b| b.warning.is_some().cmp(&a.warning.is_some()).then(a.fact.cmp(&b.fact)));
    ledger
}

/// The values of one environment's trials as one text: process numbers and paths differ from trial to trial.
fn together(values: &BTreeSet<&str>) -> String {
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.parse().ok()).collect();
    if values.len() > 1 && numbers.len() == values.len() {
        let (low, high) = numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
            (low.min(*number), high.max(*number))
        });
        return format!("{low} … {high}");
    }
    let shown = values.iter().take(VALUES_SHOWN).copied().collect::<Vec<_>>().join(" | ");
    match values.len() {
        more if more > VALUES_SHOWN => format!("{shown} | … ({more} values)"),
        _ => shown,
    }
}

fn row(design: &Design<'_>, fact: &str, known: &BTreeMap<usize, String>) -> LedgerRow {
    let baseline = design.environments.iter().position(|arm| arm.is_baseline);
    let base = baseline.and_then(|at| known.get(&at));
    let unfair: Vec<String> = known
        .iter()
        .filter_map(|(at, value)| {
            let why = base.and_then(|base| unfairness(fact, value, base))?;
            Some(format!("{}: {why}", design.environments[*at].name))
        })
        .collect();
    LedgerRow {
        fact: fact.to_owned(),
        values: known.iter().map(|(at, v)| (design.environments[*at].name.clone(), v.clone())).collect(),
        warning: (!unfair.is_empty()).then(|| unfair.join("; ")),
    }
}

/// Why the comparison is unfair if the environment has `value` and the baseline has `base`; `None` if it is
/// fair.
pub(super) fn unfairness(fact: &str, value: &str, base: &str) -> Option<String> {
    if value == base || [value, base].contains(&UNKNOWN) {
        return None;
    }
    let because = match fact {
        "cpus" => "it did not get the same CPUs",
        "memory" if memory_is_close(value, base) => return None,
        "memory" => "it did not get the same memory",
        "data.filesystem" => "its files are on another file system",
        "clock.source" if clock_counters(value) == clock_counters(base) => return None,
        "clock.source" => "its clock uses another source, so reading the clock has a different cost",
        "agent.hash" => "it does not run the same program",
        "aslr" | "personality" => "it randomises the memory layout differently",
        "cpus.quota" => "a quota limits its CPU time differently",
        "data.options" if durability(value) == durability(base) => return None,
        "data.options" => "its writes become durable in a different way",
        "thp" => "its kernel uses huge pages differently",
        "hugepages" => "it has a different number of reserved huge pages",
        "ksm" => "its kernel merges equal pages (KSM) with different settings",
        "network.loopback" => "its loopback link has a different maximum packet size",
        fact if fact.starts_with(PROGRAM) => "it does not run the same program with the same libraries",
        fact if fact.starts_with("mitigations") => "it runs with other CPU mitigations",
        _ => return None,
    };
    match value.len() + base.len() <= VALUES_LENGTH {
        true => Some(format!("{because} ({value}, baseline {base})")),
        false => Some(format!("{because} (see the ledger)")),
    }
}

/// Mount options that decide when a write is durable.
fn durability(options: &str) -> BTreeSet<&str> {
    let known = ["barrier=0", "data=journal", "data=writeback", "dirsync", "nobarrier", "sync", "volatile"];
    options.split([',', ' ']).filter(|option| known.contains(option)).collect()
}

/// The counters behind clock sources: a young guest still reads the time-stamp counter as `tsc-early`.
fn clock_counters(sources: &str) -> BTreeSet<&str> {
    sources.split(" | ").map(|source| source.trim_end_matches("-early")).collect()
}

/// Whether an unfair fact can influence a workload; `None`: the lifecycle, whose phases are timed from
/// outside.
pub(super) fn concerns(fact: &str, workload: Option<&WorkloadInfo>) -> bool {
    let depends_on = |on| workload.is_some_and(|info| info.depends_on.contains(&on));
    match fact {
        "data.filesystem" | "data.options" => depends_on(Dependence::Files),
        "network.loopback" => depends_on(Dependence::Loopback),
        fact if fact.starts_with(PROGRAM) => depends_on(Dependence::Programs),
        "thp" | "hugepages" | "ksm" | "clock.source" => workload.is_some(),
        _ => true,
    }
}

fn memory_is_close(value: &str, base: &str) -> bool {
    let bytes = |text: &str| isotare_core::Kind::Size.parse(&text.replace(' ', ""));
    match (bytes(value), bytes(base)) {
        (Some(isotare_core::Value::Integer(value)), Some(isotare_core::Value::Integer(base))) => {
            let (value, base) = (value as f64, base as f64);
            (value - base).abs() <= MEMORY_TOLERANCE * base
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_between_trials_are_shortened() {
        let values = |list: &[&'static str]| together(&list.iter().copied().collect());
        assert_eq!(values(&["27.5", "9", "31"]), "9 … 31");
        assert_eq!(values(&["a", "b", "c"]), "a | b | … (3 values)");
    }

    #[test]
    fn unfair_differences_are_distinguished_from_intended_ones() {
        for (fact, value, base, unfair) in [
            ("cpus", "0", "0-1", true),
            ("memory", "1990000000", "2GiB", false),
            ("memory", "1 GiB", "2GiB", true),
            ("memory", "unlimited", "2GiB", true),
            ("mitigations.spectre_v2", "Vulnerable", "Retpolines", true),
            ("clock.source", "kvm-clock", "tsc", true),
            ("kernel", "6.1.0", "6.12.0", false),
            ("cpus.quota", "50000 100000 us", "none", true),
            ("data.options", "relatime,rw,nobarrier", "relatime,rw", true),
            ("data.options", "noatime,rw", "relatime,rw", false),
            ("thp", "always", "madvise", true),
            ("agent.hash", "12", "34", true),
            ("program:/bin/sh", "12; 2 files 5", "12; 2 files 6", true),
            ("network.path", "eth0: veth, MTU 1500", "loopback only", false),
            ("network.loopback", "MTU 65536", "MTU 1500", true),
            ("seccomp", "filter", "none", false),
            ("clock.source", "unknown", "tsc", false),
        ] {
            assert_eq!(unfairness(fact, value, base).is_some(), unfair, "{fact}: {value} against {base}");
        }
        let files = WorkloadInfo { depends_on: [Dependence::Files].into(), ..WorkloadInfo::default() };
        assert!(concerns("data.filesystem", Some(&files)) && concerns("clock.source", Some(&files)));
        assert!(
            !concerns("data.filesystem", Some(&WorkloadInfo::default())) && !concerns("clock.source", None)
        );
    }
}
