//! Files that are experiments, and what the others are told.

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

/// The error of a file, as a terminal without colours shows it.
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

/// A file that is right, with other lines at its top.
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
    assert_eq!((design.timeout, design.seed, design.sampling.rate), (90.0, 1, 5.0));
    assert_eq!((design.budget.cpus.to_string().as_str(), design.budget.memory), ("0-1", 1 << 30));
    assert_eq!(design.budget.processes, Some(300));
    let plan = crate::plan(&design).expect("valid");
    let reread: isotare_core::Plan =
        serde_json::from_str(&serde_json::to_string(&plan).expect("a plan prints")).expect("and reads");
    assert_eq!(reread, plan);
}

#[test]
fn what_a_file_leaves_open_comes_from_the_defaults() {
    let design = design(&with(""));
    assert_eq!((design.seed, design.blocks), (99, Blocks::exactly(20)));
    assert_eq!((design.budget.memory, design.budget.processes), (1 << 20, None));
    assert_eq!(design.baseline.to_string(), "native");
}

#[test]
fn blocks_and_time_go_together_in_these_ways() {
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
    assert_eq!(refused("blocks = 7\ntime = 60"), "`blocks` does not go with `time`");
    assert_eq!(refused("blocks = 7\nprecision = 0.1"), "`blocks` does not go with `precision`");
    assert_eq!(
        refused("blocks = 7\nmin-blocks = 7"),
        "`blocks` does not go with `min-blocks` or `max-blocks`"
    );
    assert_eq!(refused("min-blocks = 7"), "`min-blocks` means nothing without `time`");
    assert_eq!(
        refused("time = 1\nmin-blocks = 9\nmax-blocks = 8"),
        "the fewest blocks, 9, are more than the most, 8"
    );
}

#[test]
fn shares_may_be_none_and_all() {
    for (text, share) in [("0", 0.0), ("\"0%\"", 0.0), ("\"10 %\"", 0.1), ("1", 1.0), ("\"100%\"", 1.0)] {
        assert_eq!(design(&with(&format!("repeats = {text}"))).repeats, share, "{text}");
    }
    for text in ["1.5", "-0.1", "\"a tenth\"", "nan"] {
        let error = read(&with(&format!("repeats = {text}"))).expect_err(text).to_string();
        assert!(error.starts_with("`repeats` cannot be"), "{error}");
    }
}

#[test]
fn a_baseline_in_other_words_is_the_same_environment() {
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

#[test]
fn a_key_with_a_typo() {
    assert_snapshot!(refusal(&with("basline = \"native\"")), @r#"
     x unknown key 'basline' in an experiment
      ,-[a.toml:1:1]
    1 | basline = "native"
      : ^^^|^^^
      :    `-- not known
    2 | environments = ["container"]
      `----
     help: did you mean 'baseline'?
    "#);
}

#[test]
fn a_value_of_the_wrong_type() {
    assert_snapshot!(refusal(&with("blocks = \"many\"")), @r#"
     x `blocks` cannot be 'many'
      ,-[a.toml:1:10]
    1 | blocks = "many"
      :          ^^^|^^
      :             `-- this has to be a positive whole number
    2 | environments = ["container"]
      `----
     help: write blocks = 20
    "#);
}

#[test]
fn an_unknown_driver() {
    assert_snapshot!(refusal("environments = [\"native\", \"qmeu:accel=tcg\"]\n[[workload]]\nname = \"cpu\"\n"), @r#"
     x unknown driver 'qmeu'
      ,-[a.toml:1:28]
    1 | environments = ["native", "qmeu:accel=tcg"]
      :                            ^^|^
      :                              `-- not known
    2 | [[workload]]
      `----
     help: did you mean 'qemu'?
    "#);
}

#[test]
fn zero_and_too_few_blocks() {
    assert_snapshot!(refusal(&with("blocks = 0")), @r#"
     x 0 blocks are too few
      ,-[a.toml:1:10]
    1 | blocks = 0
      :          |
      :          `-- here
    2 | environments = ["container"]
      `----
     help: ask for 6 or more: with fewer pairs there is no 95 % interval
    "#);
    assert_snapshot!(refusal(&with("max-blocks = 5")), @r#"
     x 5 blocks are too few
      ,-[a.toml:1:14]
    1 | max-blocks = 5
      :              |
      :              `-- here
    2 | environments = ["container"]
      `----
     help: ask for 6 or more: with fewer pairs there is no 95 % interval
    "#);
}

#[test]
fn a_bad_size() {
    assert_snapshot!(refusal("environments = [\"qemu:memory=1X\"]\n[[workload]]\nname = \"cpu\"\n[budget]\nmemory = \"lots\"\n"), @r#"
      x a.toml has 2 errors

    Error: 
      x setting 'memory' of driver qemu cannot be '1X'
       ,-[a.toml:1:30]
     1 | environments = ["qemu:memory=1X"]
       :                              ^|
       :                               `-- this has to be a size such as 4096, 16K or 1G
     2 | [[workload]]
       `----
      help: write a size such as 4096, 16K or 1G

    Error: 
      x `memory` cannot be 'lots'
       ,-[a.toml:5:10]
     4 | [budget]
     5 | memory = "lots"
       :          ^^^|^^
       :             `-- this has to be a size such as 4096, 16K or 1G
       `----
      help: write memory = "1G"
    "#);
}

#[test]
fn a_text_that_is_no_toml() {
    assert_snapshot!(refusal("environments = [\"native\"\nblocks = = 3\nseed = 1\n"), @r#"
     x this is not TOML: missing comma between array elements, expected `,`
      ,-[a.toml:2:1]
    1 | environments = ["native"
    2 | blocks = = 3
      : ^
      : `-- here
    3 | seed = 1
      `----
     help: put commas between the items and ] at the end of the list
    "#);
    assert_snapshot!(refusal(&with("seed = 1\nseed = 2\nname = x")), @r#"
      x a.toml has 2 errors

    Error: 
      x this is not TOML: duplicate key
       ,-[a.toml:2:1]
     1 | seed = 1
     2 | seed = 2
       : ^^|^
       :   `-- here
     3 | name = x
       `----
      help: remove one of the two

    Error: 
      x this is not TOML: string values must be quoted, expected literal string
       ,-[a.toml:3:8]
     2 | seed = 2
     3 | name = x
       :        |
       :        `-- here
     4 | environments = ["container"]
       `----
      help: put the text in "quotes"
    "#);
}

#[test]
fn an_unknown_setting_of_a_driver() {
    assert_snapshot!(refusal("environments = [\"qemu:acel=tcg\", {driver = \"qemu\", accel = \"tgc\"}, \"native:a=b\"]\n[[workload]]\nname = \"cpu\"\n"), @r#"
      x a.toml has 3 errors

    Error: 
      x unknown setting 'acel' of driver qemu
       ,-[a.toml:1:23]
     1 | environments = ["qemu:acel=tcg", {driver = "qemu", accel = "tgc"}, "native:a=b"]
       :                       ^^|^
       :                         `-- not known
     2 | [[workload]]
       `----
      help: did you mean 'accel'?

    Error: 
      x setting 'accel' of driver qemu cannot be 'tgc'
       ,-[a.toml:1:60]
     1 | environments = ["qemu:acel=tcg", {driver = "qemu", accel = "tgc"}, "native:a=b"]
       :                                                            ^^|^^
       :                                                              `-- this has to be one of kvm, tcg
     2 | [[workload]]
       `----
      help: did you mean 'tcg'?

    Error: 
      x unknown setting 'a' of driver native
       ,-[a.toml:1:76]
     1 | environments = ["qemu:acel=tcg", {driver = "qemu", accel = "tgc"}, "native:a=b"]
       :                                                                            |
       :                                                                            `-- not known
     2 | [[workload]]
       `----
      help: remove it; nothing can stand here
    "#);
}

#[test]
fn a_list_with_a_wrong_type_inside() {
    assert_snapshot!(refusal("environments = [\"native\", 3]\n[[workload]]\nname = \"cpu\"\nmax-prime = [5000, \"10000\", {}, 2]\n"), @r#"
      x a.toml has 4 errors

    Error: 
      x `environments` cannot be 3
       ,-[a.toml:1:27]
     1 | environments = ["native", 3]
       :                           |
       :                           `-- this has to be an environment
     2 | [[workload]]
       `----
      help: write it as "qemu:accel=tcg" or as {driver = "qemu", accel = "tcg"}

    Error: 
      x setting 'max-prime' of workload cpu cannot be '10000'
       ,-[a.toml:4:20]
     3 | name = "cpu"
     4 | max-prime = [5000, "10000", {}, 2]
       :                    ^^^|^^^
       :                       `-- this has to be a whole number from 3
       `----
      help: write it without quotes: max-prime = 10000

    Error: 
      x `max-prime` cannot be a table
       ,-[a.toml:4:29]
     3 | name = "cpu"
     4 | max-prime = [5000, "10000", {}, 2]
       :                             ^|
       :                              `-- this has to be a single value
       `----
      help: write a number, a text, true or false, or a list of these

    Error: 
      x setting 'max-prime' of workload cpu cannot be '2'
       ,-[a.toml:4:33]
     3 | name = "cpu"
     4 | max-prime = [5000, "10000", {}, 2]
       :                                 |
       :                                 `-- this has to be a whole number from 3
       `----
      help: write a whole number from 3; if you leave it out, it is 10000
    "#);
}

#[test]
fn environments_given_twice() {
    assert_snapshot!(refusal("environments = [\"container\", \"qemu\", \"container\", \"qemu:accel=kvm\"]\n[[workload]]\nname = \"cpu\"\n"), @r#"
      x a.toml has 2 errors

    Error: 
      x environment 'container' is given twice
       ,-[a.toml:1:38]
     1 | environments = ["container", "qemu", "container", "qemu:accel=kvm"]
       :                                      ^^^^^|^^^^^
       :                                           `-- again
     2 | [[workload]]
       `----
      help: remove one; to run it as a condition of its own as well, write "container#NAME"

    Error: 
      x environment 'qemu:accel=kvm' is given twice
       ,-[a.toml:1:51]
     1 | environments = ["container", "qemu", "container", "qemu:accel=kvm"]
       :                                                   ^^^^^^^^|^^^^^^^
       :                                                           `-- the same as 'qemu'
     2 | [[workload]]
       `----
      help: remove one; to run it as a condition of its own as well, write "qemu:accel=kvm#NAME"
    "#);
}

#[test]
fn a_baseline_with_a_typo() {
    assert_snapshot!(refusal(&with("baseline = \"nativ\"")), @r#"
     x unknown driver 'nativ'
      ,-[a.toml:1:13]
    1 | baseline = "nativ"
      :             ^^|^^
      :               `-- not known
    2 | environments = ["container"]
      `----
     help: did you mean 'native'?
    "#);
}

#[test]
fn workloads_that_cannot_be() {
    assert_snapshot!(refusal(r#"environments = ["container"]
[[workload]]
name = "cqu"
[[workload]]
command = "gzip -k x"
[[workload]]
name = "cpu"
command = ["x"]
[[workload]]
threads = 1
[[workload]]
name = "cpu"
[[workload]]
name = "cpu"
threads = [1, 2]
[[workload]]
command = []
"#), @r#"
      x a.toml has 6 errors

    Error: 
      x unknown workload 'cqu'
       ,-[a.toml:3:8]
     2 | [[workload]]
     3 | name = "cqu"
       :        ^^|^^
       :          `-- not known
     4 | [[workload]]
       `----
      help: did you mean 'cpu'?

    Error: 
      x `command` cannot be 'gzip -k x'
       ,-[a.toml:5:11]
     4 | [[workload]]
     5 | command = "gzip -k x"
       :           ^^^^^|^^^^^
       :                `-- this has to be a list of texts
     6 | [[workload]]
       `----
      help: write program and arguments as a list of texts: command = ["gzip", "-k", "file"]

    Error: 
      x `name` does not go with `command`
       ,-[a.toml:7:8]
     6 | [[workload]]
     7 | name = "cpu"
       :        ^^|^^
       :          `-- this is both
     8 | command = ["x"]
       `----
      help: remove one; a command needs no name

    Error: 
      x this workload has neither `name` nor `command`
        ,-[a.toml:9:1]
      8 | command = ["x"]
      9 | [[workload]]
        : ^^^^^^|^^^^^
        :       `-- here
     10 | threads = 1
        `----
      help: add name = "cpu", or command = ["program", "argument"]

    Error: 
      x workload 'cpu:threads=1' is given twice
        ,-[a.toml:13:1]
     12 | name = "cpu"
     13 | [[workload]]
        : ^^^^^^|^^^^^
        :       `-- again
     14 | name = "cpu"
        `----
      help: remove one; more blocks repeat a workload

    Error: 
      x `command` cannot be an empty list
        ,-[a.toml:17:11]
     16 | [[workload]]
     17 | command = []
        :           ^|
        :            `-- this has to be a program with its arguments
        `----
      help: write program and arguments as a list of texts: command = ["gzip", "-k", "file"]
    "#);
}

#[test]
fn a_file_without_anything() {
    assert_snapshot!(refusal(""), @r#"
      x a.toml has 2 errors

    Error: 
      x the design has no environment
       ,-[a.toml:1:1]
       `----
      help: add a line such as environments = ["container"]

    Error: 
      x the design has no workload
       ,-[a.toml:1:1]
       `----
      help: add a line [[workload]] and a line such as name = "cpu" below it
    "#);
}

#[test]
fn combinations_are_bounded() {
    let many = (3..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let text = format!(
        "environments = ['native']\n[[workload]]\nname = 'cpu'\nmax-prime = [{many}]\ntime = [{many}]\n"
    );
    let error = read(&text).expect_err("refused");
    assert_eq!(error.to_string(), "workload 'cpu' has too many combinations");
}

proptest! {
    /// Whatever is done to a file, reading it ends in an experiment or in problems with places inside the file.
    #[test]
    fn broken_files_are_refused_in_order(at in 0..COMPLETE.len(), cut in 0_usize..40, put in "[\"'=\\[\\]{}a-z0-9.,\n ü#-]{0,8}") {
        let end = (at + cut).min(COMPLETE.len());
        let text = format!("{}{put}{}", &COMPLETE[..at], &COMPLETE[end..]);
        if let Err(error) = read(&text) {
            prop_assert!(!error.problems().is_empty());
            for problem in error.problems() {
                prop_assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
                prop_assert!(!problem.help.is_empty() && !problem.message.is_empty());
            }
            refusal(&text);
        }
    }

    #[test]
    fn a_command_is_kept_whatever_its_arguments(argv in prop::collection::vec("[ -~\nü]{1,10}", 1..5)) {
        let spec = command(&argv);
        let reread: WorkloadSpec = spec.to_string().parse().expect("round trip");
        prop_assert_eq!(&reread, &spec);
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&reread.given[0].1).expect("JSON"), argv.clone());
        let list = toml::Value::from(argv);
        let text = format!("environments = ['native']\n[[workload]]\ncommand = {list}\n");
        prop_assert_eq!(design(&text).workloads, vec![spec]);
    }
}
