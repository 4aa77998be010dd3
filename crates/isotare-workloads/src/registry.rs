//! Every workload that has a name.

use crate::builtin::{Cpu, Fileio, Memory, Mutex, Network, TcpEcho, Threads};
use crate::command::Command;
use crate::sysbench::Sysbench;
use isotare_core::{Workload, WorkloadSpec};

static WORKLOADS: &[&dyn Workload] =
    &[&Cpu, &Memory, &Threads, &Mutex, &Fileio, &Network, &TcpEcho, &Sysbench, &Command];

/// Every workload, in the order shown to users.
pub fn workloads() -> &'static [&'static dyn Workload] {
    WORKLOADS
}

/// The workload of this name.
pub fn find(name: &str) -> Option<&'static dyn Workload> {
    WORKLOADS.iter().copied().find(|workload| workload.name() == name)
}

/// The quick suite: a short test of every resource.
pub fn quick_suite() -> Vec<WorkloadSpec> {
    let spec = |name: &str, given: &[(&str, &str)]| WorkloadSpec {
        name: name.to_owned(),
        given: given.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
    };
    vec![
        spec("cpu", &[]),
        spec("memory", &[]),
        spec("threads", &[("threads", "2")]),
        spec("fileio", &[("total", "16M")]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Settings;
    use std::collections::HashSet;

    #[test]
    fn names_settings_and_metrics_are_unique_and_defaults_are_valid() {
        let names: HashSet<&str> = workloads().iter().map(|workload| workload.name()).collect();
        assert_eq!(names.len(), workloads().len());
        for workload in workloads() {
            let keys: HashSet<&str> = workload.settings().iter().map(|def| def.key).collect();
            assert_eq!(keys.len(), workload.settings().len(), "{}", workload.name());
            let metrics = workload.metrics();
            let metric_names: HashSet<_> = metrics.iter().map(|metric| metric.name.clone()).collect();
            assert_eq!(metric_names.len(), metrics.len(), "{}", workload.name());
            assert!((1..=2).contains(&metrics.iter().filter(|metric| metric.headline).count()));
            for def in workload.settings() {
                assert!(def.default.is_none_or(|text| def.kind.parse(text).is_some()), "{}", def.key);
            }
            let settings = Settings::check("w", workload.settings(), []).expect("defaults");
            let needs_a_program = workload.name() == "command";
            assert!(workload.job(&settings).is_ok() != needs_a_program, "{}", workload.name());
        }
    }

    #[test]
    fn the_quick_suite_is_valid() {
        for spec in quick_suite() {
            let workload = find(&spec.name).expect(&spec.name);
            let settings = Settings::check("w", workload.settings(), spec.pairs()).expect(&spec.name);
            workload.job(&settings).expect(&spec.name);
        }
        assert!(find("nothing").is_none());
    }
}
