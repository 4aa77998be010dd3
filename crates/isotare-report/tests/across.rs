//! Tests with values from a file, and with comparisons of two sessions.

mod fixture;

use fixture::Fixture;
use isotare_core::SessionEnd;
use isotare_import::{Reading, paired};
use isotare_report::{
    Diff, DiffRow, Format, Incomparable, Options, Report, WarningKind, What, analyse, analyse_values, diff,
    render, render_diff,
};
use isotare_stats::Verdict;
use serde_json::Value;

const FORMATS: [Format; 5] = [Format::Text, Format::Json, Format::Csv, Format::Markdown, Format::Html];

/// The measurements of a session, in the form of a file from elsewhere.
fn as_file(report: &Report) -> String {
    let mut text = "block,condition,metric,value,unit\n".to_owned();
    for trial in &report.trials {
        let sample =
            trial.samples.iter().find(|sample| sample.metric == "events_per_second").expect("measured");
        text.push_str(&format!("{},\"{}\",rate,{},1/s\n", trial.block, trial.environment, sample.value));
    }
    text
}

#[test]
fn a_file_of_values_gets_the_same_numbers_as_its_session() {
    let fixture = Fixture { workloads: vec!["cpu"], failing: None, ..Fixture::default() };
    let (session, trials) = fixture.build();
    let ours = analyse(&session, &trials, Some(SessionEnd::Complete));
    let reading = Reading { margin: 0.01, baseline: Some("native".to_owned()), ..Reading::default() };
    let (session, trials) = paired(as_file(&ours).as_bytes(), &reading).expect("understood");
    let theirs = analyse_values("values.csv", &session, &trials);
    assert_eq!(theirs.null_test.calibrated, Some(true));
    let mut compared = 0;
    for row in &theirs.results {
        let own = ours
            .results
            .iter()
            .find(|own| own.environment == row.environment && own.metric == "events_per_second")
            .expect("measured");
        let numbers = |row: &isotare_report::ResultRow| {
            (
                row.value,
                row.ratio,
                row.low,
                row.high,
                row.cost,
                row.mean_low,
                row.p,
                row.minimum_detectable_effect,
            )
        };
        assert_eq!(numbers(row), numbers(own));
        assert_eq!((row.verdict, row.blocks, row.null), (own.verdict, own.blocks, own.null));
        compared += 1;
    }
    assert_eq!(compared, 4);
}

#[test]
fn a_file_of_values_becomes_a_report() {
    let text = "block,condition,metric,value,unit\n\
        1,bare metal,build,10.0,s\n1,jail,build,10.9,s\n2,jail,build,11.1,s\n2,bare metal,build,10.2,s\n\
        3,jail,build,10.8,s\n3,bare metal,build,9.9,s\n4,bare metal,build,10.1,s\n4,jail,build,11.0,s\n\
        5,bare metal,build,10.0,s\n5,jail,build,10.95,s\n6,jail,build,11.2,s\n6,bare metal,build,10.2,s\n";
    let (session, trials) = paired(text.as_bytes(), &Reading::default()).expect("understood");
    let report = analyse_values("builds.csv", &session, &trials);
    insta::assert_snapshot!(render(&report, Format::Text, &Options::default()).expect("rendered"), @r#"
measured · build (lower is better)
  environment    value  cost [95 %]            verdict       blocks
  bare metal   10.05 s  ×1                     baseline           6
  jail         10.97 s  ×1.092 [1.088, 1.098]  9.2 % slower       6

cost: typical ratio to bare metal within blocks; above 1 is worse; margin 2 %, intervals pointwise.
warning: not calibrated: the file has no second series of the baseline (a condition bare
  metal#null), so the noise floor is unknown.
values of builds.csv, 6 blocks
"#);
    for format in FORMATS {
        assert!(render(&report, format, &Options::default()).expect("rendered").contains("bare metal"));
    }
}

#[test]
fn a_value_of_zero_prevents_the_ratio_and_causes_a_warning() {
    let lines = (1..=8).map(|b| format!("{b},a,t,{},s\n{b},b,t,{b},s\n", if b == 3 { 0 } else { b }));
    let text = format!("block,condition,metric,value,unit\n{}", lines.collect::<String>());
    let (session, trials) = paired(text.as_bytes(), &Reading::default()).expect("understood");
    let row = &analyse_values("x", &session, &trials).results[0];
    assert_eq!((row.blocks, row.ratio, row.verdict), (0, None, Verdict::Inconclusive));
    let told = row.warnings.iter().find(|warning| warning.kind == WarningKind::NoRatio).expect("told");
    assert!(told.message.starts_with("1 of 8 blocks"), "{told:?}");
}

/// The default session, and a session on another machine. Times there are multiplied by `slower`, and the
/// cost of the container is `container`.
fn two(slower: f64, container: f64) -> Diff {
    let fixture = Fixture { workloads: vec!["cpu"], failing: None, ..Fixture::default() };
    let (session, trials) = fixture.build();
    let mut changed = fixture.clone();
    changed.seed = 99;
    changed.arms[2].cost[0] = container;
    let (mut later, mut later_trials) = changed.build();
    later.id = "20260315-091500-z1z1".to_owned();
    for sample in later_trials.iter_mut().flat_map(|trial| &mut trial.samples) {
        sample.value *= slower;
    }
    later_trials.retain(|trial| trial.block < 16);
    diff((&session, &trials), (&later, &later_trials), 0.02, 0.95).expect("comparable")
}

fn row<'a>(diff: &'a Diff, environment: &str) -> &'a DiffRow {
    let is_it = |row: &&DiffRow| row.row.environment == environment && row.row.metric == "events_per_second";
    diff.results.iter().find(is_it).expect("a row")
}

#[test]
fn a_slower_machine_changes_no_overhead() {
    let found = two(0.7, 1.002);
    assert_eq!(row(&found, "container").row.verdict, Verdict::Equivalent);
    assert_eq!(found.regressions().count(), 0);
    let native = &row(&found, "native").row;
    assert!((native.cost.expect("a cost") * 0.7 - 1.0).abs() < 0.02);
    assert_eq!(native.verdict, Verdict::Inconclusive);
    assert!(native.warnings.iter().any(|warning| warning.kind == WarningKind::Unpaired));
    assert!(found.differences.is_empty(), "{:?}", found.differences);
}

#[test]
fn an_increase_of_cost_is_found() {
    let found = two(0.7, 1.08);
    let container = row(&found, "container");
    let (low, high) = (container.row.cost_low.expect("low"), container.row.cost_high.expect("high"));
    assert!(low < 1.08 / 1.002 && 1.08 / 1.002 < high && low > 1.06);
    let worse: Vec<&str> = found.regressions().map(|row| row.row.environment.as_str()).collect();
    assert_eq!(worse, ["container"]);
    let json: Value =
        serde_json::from_str(&render_diff(&found, Format::Json, &Options::default()).expect("rendered"))
            .expect("JSON");
    let first = &json["results"][2];
    for name in
        ["environment", "metric", "ratio", "low", "high", "verdict", "blocks", "warnings", "before", "after"]
    {
        assert!(!first[name].is_null(), "{name} of {first}");
    }
    for format in FORMATS {
        assert!(render_diff(&found, format, &Options::default()).expect("rendered").contains("container"));
    }
    insta::assert_snapshot!(render_diff(&found, Format::Text, &Options::default()).expect("rendered"), @r#"
cpu · events per second (higher is better)
  environment     cost before  cost after  change                 verdict               blocks
  native          –            –           ×1.424 [1.398, 1.451]  baseline ¹            16
  native#null     ×1.000       ×1.001      ×1.002 [0.998, 1.005]  unchanged within 2 %  16
  container       ×1.002       ×1.083      ×1.081 [1.076, 1.085]  8.1 % slower          16
  docker          ×1.003       ×1.004      ×1.001 [0.996, 1.006]  unchanged within 2 %  16
  qemu:accel=tcg  ×12.31       ×12.33      ×1.002 [0.998, 1.006]  unchanged within 2 %  16

lifecycle · startup (lower is better)
  environment     cost before  cost after  change                 verdict               blocks
  native          –            –           ×1.001 [0.999, 1.002]  baseline ¹            16
  native#null     ×1.000       ×0.999      ×0.999 [0.997, 1.002]  unchanged within 2 %  16
  container       ×3.54        ×3.54       ×0.999 [0.996, 1.002]  unchanged within 2 %  16
  docker          ×100.6       ×100.3      ×0.998 [0.995, 1.000]  unchanged within 2 %  16
  qemu:accel=tcg  ×563.3       ×562.5      ×0.999 [0.997, 1.001]  unchanged within 2 %  16

¹ unpaired: the sessions ran at different times, so a change of the machine can be the cause as well
  as a change of the software; there is no verdict
cost: typical ratio to native within each session (above 1 is worse); change: cost after divided by
  cost before [95 %]; margin 2 %
before: 20260314-091500-k3f9 (2026-03-14T09:15:00Z, 20 blocks); after: 20260315-091500-z1z1
  (2026-03-14T09:15:00Z, 16 blocks)
overhead increased: container in cpu, events per second.
"#);
}

#[test]
fn differences_between_sessions_are_listed() {
    let fixture = Fixture { workloads: vec!["cpu"], ..Fixture::default() };
    let (session, trials) = fixture.build();
    let (mut other, mut other_trials) = fixture.build();
    other.host.facts.insert("kernel".to_owned(), "6.12.0".to_owned());
    other.plan.budget.memory *= 2;
    other.plan.budget.processes = None;
    other_trials[0].facts.insert("image.digest".to_owned(), "sha256:1".to_owned());
    if let Some(Ok(info)) = other.environments.get_mut("docker") {
        "28.0".clone_into(&mut info.version);
    }
    let found = diff((&session, &trials), (&other, &other_trials), 0.02, 0.95).expect("comparable");
    let told: Vec<(What, &str)> = found.differences.iter().map(|d| (d.what, d.fact.as_str())).collect();
    assert_eq!(
        told,
        [
            (What::Machine, "kernel"),
            (What::Budget, "memory"),
            (What::Budget, "processes"),
            (What::Runtime, "version of docker")
        ]
    );
    let processes = &found.differences[2];
    assert_eq!((processes.before.as_str(), processes.after.as_str()), ("1024", "not limited"));
    assert_eq!(found.obstacles().count(), 3);
    other.plan.baseline = "container".parse().expect("a spec");
    let error = diff((&session, &trials), (&other, &other_trials), 0.02, 0.95).expect_err("another baseline");
    assert!(matches!(error, Incomparable::Baselines { .. }));
    assert_eq!(diff((&session, &trials), (&session, &[]), 0.02, 0.95), Err(Incomparable::NothingShared));
}
