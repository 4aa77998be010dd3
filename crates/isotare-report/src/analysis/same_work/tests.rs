//! Tests with sessions of one command, whose outputs are invented.

use super::*;
use isotare_core::{Better, Budget, CpuSet, HostFacts, MetricDef, Sample, Slot, WorkloadSpec};
use isotare_plan::{Blocks, Design as Choices, plan};
use std::collections::BTreeMap;

const BLOCKS: u32 = 6;

/// A session of one command. `written` returns stdout and stderr for a block and an environment.
fn session(written: impl Fn(u32, &str) -> (String, &'static str)) -> (Session, Vec<Trial>) {
    let budget = Budget { cpus: CpuSet::new([0]).expect("one"), memory: 1 << 30, processes: None };
    let command: WorkloadSpec = "command".parse().expect("valid");
    let choices = Choices {
        environments: vec!["sandbox".parse().expect("valid")],
        workloads: vec![command.clone()],
        blocks: Blocks::exactly(BLOCKS),
        repeats: 0.0,
        ..Choices::new(budget, 7)
    };
    let plan = plan(&choices).expect("valid");
    let info = WorkloadInfo { repeats_output: true, ..WorkloadInfo::default() };
    let trials = (0..)
        .zip(&plan.order)
        .map(|(index, slot): (u32, &Slot)| {
            let environment = plan.conditions[slot.condition].environment.to_string();
            let (stdout, stderr) = written(slot.block, &environment);
            let [stdout, stderr] = [stdout.as_bytes(), stderr.as_bytes()].map(Captured::of);
            let time = if environment == "sandbox" { 0.01 } else { 1.0 };
            let sample = |name: &'static str, part: f64| {
                Sample::of_workload(MetricDef::headline(name, "s", Better::Lower), part * time)
            };
            Trial {
                samples: vec![sample("wall_time", 1.0), sample("user_time", 0.6), sample("system_time", 0.3)],
                output: Some(Streams { stdout, stderr }),
                ..Trial::new(index, *slot, 0, Outcome::Completed)
            }
        })
        .collect();
    let session = Session {
        id: "s".to_owned(),
        started: String::new(),
        version: String::new(),
        argv: Vec::new(),
        host: HostFacts::default(),
        environments: BTreeMap::new(),
        workloads: [(command.to_string(), info)].into(),
        plan,
    };
    (session, trials)
}

fn reason(trials: &[Trial], found: &[usize]) -> String {
    trials[found[0]].failure.as_ref().expect("a reason").reason.clone()
}

/// The warnings of the first row of the environment `sandbox`.
fn kinds(session: &Session, trials: &[Trial]) -> Vec<(WarningKind, String)> {
    let report = crate::analyse(session, trials, None);
    let row = report.results.iter().find(|row| row.environment == "sandbox" && row.metric == "wall_time");
    let warnings = &row.expect("a row").warnings;
    warnings.iter().map(|warning| (warning.kind, warning.message.clone())).collect()
}

fn message(found: &[(WarningKind, String)], kind: WarningKind) -> &str {
    found.iter().find(|(known, _)| *known == kind).map_or("", |(_, message)| message)
}

#[test]
fn the_same_output_is_the_same_work() {
    let (session, mut trials) = session(|_, _| ("120000\ndone\n".to_owned(), ""));
    assert!(judge_work(&session, &mut trials).is_empty());
    assert!(trials.iter().all(|trial| trial.outcome == Outcome::Completed));
}

#[test]
fn output_that_differs_from_the_baseline_is_invalid_and_both_are_quoted() {
    let (session, mut trials) = session(|_, environment| match environment {
        "sandbox" => ("0\ndone\n".to_owned(), "sh: 1: sort: not found\n"),
        _ => (format!("{}\ndone\n", "12345 ".repeat(100)), ""),
    });
    let found = judge_work(&session, &mut trials);
    assert_eq!(found.len(), BLOCKS as usize);
    let reason = reason(&trials, &found);
    for part in [
        r#"it wrote 7 bytes, "0\ndone\n" to standard output, while native wrote 606 bytes, "12345 12345"#,
        r#" … ""#,
        r#"12345 \ndone\n" (SHA-256 "#,
        r#"it wrote 23 bytes, "sh: 1: sort: not found\n" to standard error, while native wrote nothing"#,
        "--accept-different-output",
    ] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    let invalid = |trial: &&Trial| trial.outcome == Outcome::Invalid;
    assert_eq!(trials.iter().filter(invalid).count(), BLOCKS as usize);
    assert!(judge_work(&session, &mut trials).is_empty(), "judged once");
}

#[test]
fn a_difference_on_standard_error_is_enough() {
    let (session, mut trials) = session(|_, environment| {
        ("done\n".to_owned(), if environment == "sandbox" { "sort: cannot read" } else { "" })
    });
    let found = judge_work(&session, &mut trials);
    assert_eq!(found.len(), BLOCKS as usize);
    assert!(
        reason(&trials, &found)
            .contains(r#"wrote 17 bytes, "sort: cannot read" to standard error, while native wrote nothing"#)
    );
}

#[test]
fn one_trial_that_differs_is_invalid_alone() {
    let (session, mut trials) = session(|block, environment| {
        (if (block, environment) == (3, "sandbox") { "half" } else { "whole" }.to_owned(), "")
    });
    let found = judge_work(&session, &mut trials);
    assert_eq!(found.iter().map(|at| trials[*at].block).collect::<Vec<_>>(), [3]);
}

#[test]
fn output_that_changes_in_the_baseline_is_a_warning() {
    let (session, mut trials) = session(|block, environment| match environment {
        "sandbox" => ("it took 1 s".to_owned(), ""),
        _ => (format!("it took {block}.5 s"), ""),
    });
    assert!(judge_work(&session, &mut trials).is_empty());
    let found = kinds(&session, &trials);
    let said = message(&found, WarningKind::OutputChanges);
    assert!(
        said.contains("the output of native changes") && said.contains(r#""it took 0.5 s" in one"#),
        "{said}"
    );
}

#[test]
fn different_output_can_be_accepted_and_is_quoted_as_a_warning() {
    let (mut session, mut trials) = session(|_, environment| match environment {
        "sandbox" => ("host a".to_owned(), "warning: no locale"),
        _ => ("host b".to_owned(), ""),
    });
    session.plan.accept_different_output = true;
    assert!(judge_work(&session, &mut trials).is_empty());
    let found = kinds(&session, &trials);
    let said = message(&found, WarningKind::DifferentOutput);
    assert!(
        said.contains("host a") && said.contains("host b") && said.contains("warning: no locale"),
        "{said}"
    );
}

#[test]
fn less_cpu_time_and_less_time_mean_less_work() {
    let (session, trials) = session(|_, _| ("done".to_owned(), ""));
    let found = kinds(&session, &trials);
    assert!(
        message(&found, WarningKind::DidLessWork)
            .contains("1 % of the baseline's CPU time and 1 % of its time")
    );
    let busy = |mut trial: Trial| {
        trial.samples.iter_mut().filter(|s| s.metric.name == "user_time").for_each(|s| s.value = 0.6);
        trial
    };
    let trials: Vec<Trial> = trials.into_iter().map(busy).collect();
    assert_eq!(message(&kinds(&session, &trials), WarningKind::DidLessWork), "", "it waited less");
}
