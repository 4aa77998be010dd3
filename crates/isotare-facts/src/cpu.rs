//! Processors: which, how many, how they change their speed.
//!
//! Sources: Documentation/ABI/testing/sysfs-devices-system-cpu,
//! Documentation/admin-guide/pm/{cpufreq,intel_pstate}.rst.

use crate::root::{Fact, Root, colon, yes_no};
use std::collections::BTreeSet;

const CPU: &str = "sys/devices/system/cpu";

pub(crate) fn facts(root: &Root) -> Vec<Fact> {
    let info = root.text("proc/cpuinfo").unwrap_or_default();
    let model = ["model name", "Processor", "cpu model", "CPU part"].iter().find_map(|key| colon(&info, key));
    vec![
        ("cpu-model", model),
        ("cpus-online", root.text(&format!("{CPU}/online"))),
        ("cpus-isolated", root.text(&format!("{CPU}/isolated")).map(none_if_empty)),
        ("smt", smt(root)),
        ("smt-siblings", siblings(root)),
        ("governor", governor(root)),
        ("turbo", turbo(root)),
        ("mitigations", mitigations(root)),
    ]
}

fn none_if_empty(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

fn smt(root: &Root) -> Option<String> {
    let active = root.text(&format!("{CPU}/smt/active"));
    match active.as_deref() {
        Some("1") => Some("active".to_owned()),
        Some("0") => Some("inactive".to_owned()),
        _ => None,
    }
}

/// Each group of CPUs that share a core, as `0-1 2-3`.
fn siblings(root: &Root) -> Option<String> {
    let cpus = root.names(CPU).into_iter().filter(|name| numbered(name, "cpu"));
    let groups: BTreeSet<String> =
        cpus.filter_map(|cpu| root.text(&format!("{CPU}/{cpu}/topology/thread_siblings_list"))).collect();
    (!groups.is_empty()).then(|| groups.into_iter().collect::<Vec<_>>().join(" "))
}

fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The governors in use; `none` where the kernel does not set the frequency, as in most virtual machines.
fn governor(root: &Root) -> Option<String> {
    let folder = format!("{CPU}/cpufreq");
    let policies = root.names(&folder).into_iter().filter(|name| numbered(name, "policy"));
    let words: BTreeSet<String> =
        policies.filter_map(|policy| root.text(&format!("{folder}/{policy}/scaling_governor"))).collect();
    match words.is_empty() {
        false => Some(words.into_iter().collect::<Vec<_>>().join(" ")),
        true => root.exists(CPU).then(|| "none".to_owned()),
    }
}

fn turbo(root: &Root) -> Option<String> {
    let no_turbo = root.text(&format!("{CPU}/intel_pstate/no_turbo")).map(|text| yes_no(text == "0"));
    no_turbo.or_else(|| root.text(&format!("{CPU}/cpufreq/boost")).map(|text| yes_no(text == "1")))
}

/// Vulnerabilities that are mitigated or left open; those that do not concern this CPU are left out.
fn mitigations(root: &Root) -> Option<String> {
    let folder = format!("{CPU}/vulnerabilities");
    let names = root.names(&folder);
    let states = names.iter().filter_map(|name| {
        let state = root.text(&format!("{folder}/{name}"))?;
        (state != "Not affected").then(|| format!("{name}: {state}"))
    });
    let states: Vec<_> = states.collect();
    match (names.is_empty(), states.is_empty()) {
        (true, _) => None,
        (false, true) => Some("none needed".to_owned()),
        (false, false) => Some(states.join("; ")),
    }
}
