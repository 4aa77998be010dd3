//! Tests of valid experiment files, and of the messages about others.

mod refused;

use super::*;
use insta::assert_snapshot;
use isotare_core::{Budget, CpuSet, Kind};
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

const QEMU: &[SettingDef] = &[
    SettingDef { key: "accel", kind: Kind::Choice(&["kvm", "tcg"]), default: Some("kvm"), help: "" },
    SettingDef { key: "memory", kind: Kind::Size, default: None, help: "" },
];
const CPU: &[SettingDef] = &[
    SettingDef {
        key: "max-prime",
        kind: Kind::Integer { min: 3, max: u64::MAX },
        default: Some("10000"),
        help: "",
    },
    SettingDef { key: "threads", kind: Kind::Integer { min: 1, max: 64 }, default: Some("1"), help: "" },
    SettingDef { key: "time", kind: Kind::Duration, default: Some("1s"), help: "" },
];
const COMMAND: &[SettingDef] = &[
    SettingDef { key: "argv", kind: Kind::Text, default: None, help: "" },
    SettingDef { key: "stdin", kind: Kind::Text, default: None, help: "" },
];
const DRIVERS: &[Known<'_>] = &[
    Known { name: "native", settings: &[] },
    Known { name: "container", settings: &[] },
    Known { name: "qemu", settings: QEMU },
];
const WORKLOADS: &[Known<'_>] =
    &[Known { name: "cpu", settings: CPU }, Known { name: "command", settings: COMMAND }];

fn read(text: &str) -> Result<Experiment, FileError> {
    let budget = Budget { cpus: CpuSet::new([0]).expect("not empty"), memory: 1 << 20, processes: None };
    parse("a.toml", text, DRIVERS, WORKLOADS, &Design::new(budget, 99))
}

fn design(text: &str) -> Design {
    read(text).unwrap_or_else(|error| panic!("{:#?}", error.problems())).design
}

/// The error of a file, as shown in a terminal without colours.
fn refusal(text: &str) -> String {
    let error = read(text).expect_err("refused");
    let mut shown = String::new();
    let theme = GraphicalTheme::none();
    GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .render_report(&mut shown, &error)
        .expect("shown");
    shown
}

/// A valid file with these lines added at its top.
fn with(lines: &str) -> String {
    format!("{lines}\nenvironments = [\"container\"]\n[[workload]]\nname = \"cpu\"\n")
}

const COMPLETE: &str = r#"
name = "two programs"
baseline = "native"
environments = ["native", "container", {driver = "qemu", accel = "tcg", memory = "64M"}, "qemu:accel=kvm#second"]
min-blocks = 8
max-blocks = 30
time = "4m"
precision = "1.5%"
repeats = 0
seed = 1
margin = "2%"
level = 0.9
null-test = false
timeout = 90
output-limit = "64M"
accept-different-output = true
keep-output = true
[budget]
cpus = "0-1"
memory = "1G"
processes = 300
[samplers]
rate = 5
[[workload]]
name = "cpu"
max-prime = [5_000, 10000]
threads = [1, 2]
time = 0.5
[[workload]]
command = ["gzip", "-k", "a, b"]
stdin = "x"
"#;

#[test]
fn a_complete_file_is_understood() {
    let experiment = read(COMPLETE).unwrap_or_else(|error| panic!("{:#?}", error.problems()));
    assert_eq!(experiment.name.as_deref(), Some("two programs"));
    let design = experiment.design;
    let texts: Vec<String> = design.environments.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["native", "container", "qemu:accel=tcg,memory=64M", "qemu:accel=kvm#second"]);
    assert_snapshot!(
        design.workloads.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        @r#"
    cpu:max-prime=5000,threads=1,time=0.5
    cpu:max-prime=5000,threads=2,time=0.5
    cpu:max-prime=10000,threads=1,time=0.5
    cpu:max-prime=10000,threads=2,time=0.5
    command:argv=["gzip"\,"-k"\,"a\, b"],stdin=x
    "#
    );
    assert_eq!((design.blocks, design.time_limit), (Blocks { min: 8, max: 30 }, Some(240.0)));
    assert_eq!((design.precision, design.repeats), (Some(0.015), 0.0));
    assert_eq!((design.margin, design.level, design.null_test), (0.02, 0.9, false));
    assert_eq!((design.output_limit, design.keep_output), (64 << 20, true));
    assert!(design.accept_different_output);
    assert_eq!((design.timeout, design.seed, design.sampling.rate), (90.0, 1, 5.0));
    assert_eq!((design.budget.cpus.to_string().as_str(), design.budget.memory), ("0-1", 1 << 30));
    assert_eq!(design.budget.processes, Some(300));
    let plan = crate::plan(&design).expect("valid");
    let reread: isotare_core::Plan =
        serde_json::from_str(&serde_json::to_string(&plan).expect("a plan prints")).expect("and reads");
    assert_eq!(reread, plan);
}

#[test]
fn missing_keys_get_the_defaults() {
    let design = design(&with(""));
    assert_eq!((design.seed, design.blocks), (99, Blocks::exactly(20)));
    assert_eq!((design.budget.memory, design.budget.processes), (1 << 20, None));
    assert_eq!(design.baseline.to_string(), "native");
}

#[test]
fn combinations_of_blocks_and_time_are_read() {
    for (lines, min, max) in [
        ("blocks = 7", 7, 7),
        ("max-blocks = 7", 7, 7),
        ("time = \"1m\"", 6, 100),
        ("time = 60\nmax-blocks = 50", 6, 50),
        ("time = 60\nmin-blocks = 200", 200, 200),
        ("level = 0.99\ntime = 60", 8, 100),
        ("precision = 0.01", 6, 100),
        ("precision = 0.01\nmax-blocks = 50", 50, 50),
        ("precision = 0.01\ntime = 60\nmax-blocks = 50", 6, 50),
    ] {
        assert_eq!(design(&with(lines)).blocks, Blocks { min, max }, "{lines}");
    }
    let refused = |lines: &str| read(&with(lines)).expect_err(lines).to_string();
    assert_eq!(refused("blocks = 7\ntime = 60"), "`blocks` and `time` cannot be used together");
    assert_eq!(refused("blocks = 7\nprecision = 0.1"), "`blocks` and `precision` cannot be used together");
    assert_eq!(
        refused("blocks = 7\nmin-blocks = 7"),
        "`blocks` cannot be used together with `min-blocks` or `max-blocks`"
    );
    assert_eq!(refused("min-blocks = 7"), "`min-blocks` has no effect without `time`");
    assert_eq!(
        refused("time = 1\nmin-blocks = 9\nmax-blocks = 8"),
        "the minimum number of blocks, 9, is larger than the maximum, 8"
    );
}

#[test]
fn shares_from_zero_to_one_are_accepted() {
    for (text, share) in [("0", 0.0), ("\"0%\"", 0.0), ("\"10 %\"", 0.1), ("1", 1.0), ("\"100%\"", 1.0)] {
        assert_eq!(design(&with(&format!("repeats = {text}"))).repeats, share, "{text}");
    }
    for text in ["1.5", "-0.1", "\"a tenth\"", "nan"] {
        let error = read(&with(&format!("repeats = {text}"))).expect_err(text).to_string();
        assert!(error.starts_with("`repeats` cannot be"), "{error}");
    }
}

#[test]
fn a_baseline_with_default_settings_left_out_is_found() {
    let text = "baseline = 'qemu'\nenvironments = ['native', 'qemu:accel=kvm']\n[[workload]]\nname = 'cpu'";
    assert_eq!(design(text).baseline.to_string(), "qemu:accel=kvm");
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema = crate::json_schema(DRIVERS, WORKLOADS);
    let keys = |schema: &serde_json::Value| -> Vec<String> {
        schema["properties"].as_object().into_iter().flat_map(|keys| keys.keys().cloned()).collect()
    };
    for (lines, place) in [
        ("zzzzzzzz = 1", ""),
        ("[budget]\nzzzzzzzz = 1", "BudgetTable"),
        ("[samplers]\nzzzzzzzz = 1", "SamplersTable"),
    ] {
        let error = read(lines).expect_err("refused");
        let unknown =
            error.problems().iter().find(|problem| problem.message.contains("zzz")).expect("reported");
        let schema = if place.is_empty() { &schema } else { &schema["$defs"][place] };
        for key in keys(schema) {
            assert!(unknown.help.contains(&key), "{key} is not read: {}", unknown.help);
        }
        let listed = unknown.help.trim_start_matches("write one of ").split(", ").count();
        assert!(listed == keys(schema).len() || place == "SamplersTable", "{}", unknown.help);
    }
}
