//! Tests of files that are refused, and of the messages about them.

use super::*;

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
     help: run 6 blocks or more: fewer pairs cannot give a 95 % interval
    "#);
    assert_snapshot!(refusal(&with("max-blocks = 5")), @r#"
     x 5 blocks are too few
      ,-[a.toml:1:14]
    1 | max-blocks = 5
      :              |
      :              `-- here
    2 | environments = ["container"]
      `----
     help: run 6 blocks or more: fewer pairs cannot give a 95 % interval
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
fn a_text_that_is_not_toml() {
    assert_snapshot!(refusal("environments = [\"native\"\nblocks = = 3\nseed = 1\n"), @r#"
     x this is not valid TOML
     `-> missing comma between array elements, expected `,`
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
      x this is not valid TOML
      `-> duplicate key
       ,-[a.toml:2:1]
     1 | seed = 1
     2 | seed = 2
       : ^^|^
       :   `-- here
     3 | name = x
       `----
      help: remove one of the two

    Error: 
      x this is not valid TOML
      `-> string values must be quoted, expected literal string
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
      help: remove it; no key is allowed here
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
      help: write a whole number from 3; the default is 10000
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
      help: remove one of them; to run the same environment twice, as two conditions, write the second
            one as "container#NAME"

    Error: 
      x environment 'qemu:accel=kvm' is given twice
       ,-[a.toml:1:51]
     1 | environments = ["container", "qemu", "container", "qemu:accel=kvm"]
       :                                                   ^^^^^^^^|^^^^^^^
       :                                                           `-- the same as 'qemu'
     2 | [[workload]]
       `----
      help: remove one of them; to run the same environment twice, as two conditions, write the second
            one as "qemu:accel=kvm#NAME"
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
fn impossible_workloads() {
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
      x `name` and `command` cannot be used together
       ,-[a.toml:7:8]
     6 | [[workload]]
     7 | name = "cpu"
       :        ^^|^^
       :          `-- this is both
     8 | command = ["x"]
       `----
      help: remove one of them; a command does not need a name

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
      help: remove one of them; to repeat a workload more often, run more blocks

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
      help: add a line [[workload]], and below it a line such as name = "cpu"
    "#);
}

#[test]
fn combinations_are_bounded() {
    let many = (3..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let text = format!(
        "environments = ['native']\n[[workload]]\nname = 'cpu'\nmax-prime = [{many}]\ntime = [{many}]\n"
    );
    let error = read(&text).expect_err("refused");
    assert_eq!(error.to_string(), "workload 'cpu' has too many combinations of settings");
}

proptest! {
    /// However a file is damaged, reading it gives an experiment, or problems with places inside the file.
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
