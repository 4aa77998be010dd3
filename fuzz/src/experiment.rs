//! Experiment files.

use isotare_core::{Budget, CpuSet, Kind, SettingDef};
use isotare_plan::{Design, Known, parse, plan};

const KEYS: &[SettingDef] = &[
    SettingDef { key: "accel", kind: Kind::Choice(&["tcg", "kvm"]), default: Some("tcg"), help: "" },
    SettingDef { key: "memory", kind: Kind::Size, default: None, help: "" },
    SettingDef { key: "vcpus", kind: Kind::Integer { min: 1, max: 64 }, default: None, help: "" },
];

/// No panic; what is wrong can be told; what is right is a plan.
pub fn experiment(text: &str) {
    let drivers = ["native", "docker", "qemu"].map(|name| Known { name, settings: KEYS });
    let workloads = isotare_workloads::workloads();
    let workloads: Vec<Known<'_>> = workloads
        .iter()
        .map(|workload| Known { name: workload.name(), settings: workload.settings() })
        .collect();
    let cpus = CpuSet::new([0, 1]).expect("two CPUs");
    let budget = Budget { cpus, memory: 1 << 30, processes: Some(Budget::PROCESSES) };
    match parse("experiment.toml", text, &drivers, &workloads, &Design::new(budget, 1)) {
        Ok(experiment) => {
            plan(&experiment.design).expect("a design without complaints has a plan");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
