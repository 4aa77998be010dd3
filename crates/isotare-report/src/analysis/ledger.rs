//! The fairness ledger: what the environments got, and where a difference spoils the comparison.

use super::design::Design;
use crate::report::{Ledger, LedgerRow};
use isotare_core::{Dependence, WorkloadInfo};
use std::collections::{BTreeMap, BTreeSet};

/// Memory that differs by more than this is another budget; less is what a kernel keeps for itself.
const MEMORY_TOLERANCE: f64 = 0.10;

/// Longer values do not go into a sentence, bytes of both.
const VALUES_LENGTH: usize = 80;
/// A fact that changes from trial to trial is shown by so many of its values.
const VALUES_SHOWN: usize = 2;

/// The value of a fact that could not be found out.
const UNKNOWN: &str = "unknown";

/// First part of the name of a fact about the bits of a program; its path follows.
pub(super) const PROGRAM: &str = "program:";

/// The facts without which nobody can tell whether a comparison is fair: where an environment does not know one, it stands
/// in the ledger as unknown. What only a driver knows (`disk.cache`, storage, networks of engines) comes on top.
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
    // Values of others come without facts.
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

/// Why `value` where the baseline has `base` makes a comparison unfair; `None` if it does not.
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
        "clock.source" => "its clock comes from another source, so reading it costs something else",
        "agent.hash" => "it does not run the same program",
        "aslr" | "personality" => "it lays out memory differently at random",
        "cpus.quota" => "a quota limits its CPU time differently",
        "data.options" if durability(value) == durability(base) => return None,
        "data.options" => "its writes are kept with other care",
        "thp" => "its kernel uses huge pages for other memory",
        "hugepages" => "it has other huge pages set aside",
        "ksm" => "its kernel looks for equal pages to merge with other effort",
        "network.loopback" => "its loopback link takes packets of another size",
        fact if fact.starts_with(PROGRAM) => "it does not run the same program with the same libraries",
        fact if fact.starts_with("mitigations") => "it runs with other CPU mitigations",
        _ => return None,
    };
    match value.len() + base.len() <= VALUES_LENGTH {
        true => Some(format!("{because} ({value}, baseline {base})")),
        false => Some(format!("{because} (see the ledger)")),
    }
}

/// Mount options that decide when a write is safe.
fn durability(options: &str) -> BTreeSet<&str> {
    let known = ["barrier=0", "data=journal", "data=writeback", "dirsync", "nobarrier", "sync", "volatile"];
    options.split([',', ' ']).filter(|option| known.contains(option)).collect()
}

/// The counters behind clock sources: a young guest still reads the time-stamp counter as `tsc-early`.
fn clock_counters(sources: &str) -> BTreeSet<&str> {
    sources.split(" | ").map(|source| source.trim_end_matches("-early")).collect()
}

/// Whether an unfair fact matters to a workload; `None`: to the lifecycle, whose phases are timed from outside.
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
    fn values_that_change_from_trial_to_trial_stay_short() {
        let values = |list: &[&'static str]| together(&list.iter().copied().collect());
        assert_eq!(values(&["27.5", "9", "31"]), "9 … 31");
        assert_eq!(values(&["a", "b", "c"]), "a | b | … (3 values)");
    }

    #[test]
    fn what_is_unfair_and_what_is_part_of_the_comparison() {
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
