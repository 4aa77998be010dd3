//! Tests of what a report says about the session as a whole: disturbed blocks, drift, precision, and
//! carry-over.

mod fixture;

use fixture::Fixture;
use isotare_core::{Canary, Gate, HostNoise, Noise, Outcome, Session, SessionEnd, Throttled, Trial};
use isotare_report::{Format, Options, Report, ResultRow, WarningKind, analyse, render};

const GATE: Gate = Gate { integer: 1.25, memory: 1.5, waited: 0.35 };

/// Twenty blocks and `spare` spare ones. Those in `disturbed` are disturbed.
fn session(spare: u32, disturbed: &[u32]) -> (Session, Vec<Trial>) {
    let fixture = Fixture { blocks: 20 + spare, workloads: vec!["cpu"], failing: None, ..Fixture::default() };
    let (mut session, mut trials) = fixture.build();
    (session.plan.max_blocks, session.plan.spare, session.plan.gate) = (20, spare, Some(GATE));
    for trial in &mut trials {
        let slow = if disturbed.contains(&trial.block) && trial.condition == 3 { 1.3 } else { 1.02 };
        trial.noise = Some(noise(slow));
        if disturbed.contains(&trial.block) {
            trial.samples.iter_mut().for_each(|sample| sample.value *= 1.0 + 0.5 * trial.condition as f64);
        }
    }
    (session, trials)
}

fn noise(slow: f64) -> Noise {
    let reference = Canary { integer: 0.002, memory: 0.001, waited: 0.02 };
    Noise {
        reference,
        before: Canary { integer: reference.integer * slow, ..reference },
        after: reference,
        host: HostNoise { pressure_cpu: Some(0.25), steal: Some(0.5), ..HostNoise::default() },
        throttled: Some(Throttled { periods: 0, time: 0.0 }),
    }
}

fn complete((session, trials): &(Session, Vec<Trial>)) -> Report {
    analyse(session, trials, Some(SessionEnd::Complete))
}

fn row<'r>(report: &'r Report, environment: &str) -> &'r ResultRow {
    let is_it = |row: &&ResultRow| row.environment == environment && row.metric == "events_per_second";
    report.results.iter().find(is_it).expect("a row")
}

fn kinds(report: &Report) -> Vec<WarningKind> {
    report.warnings.iter().map(|warning| warning.kind).collect()
}

/// Checks that every format for people contains these words.
fn all_say(report: &Report, words: &str) {
    for format in [Format::Text, Format::Markdown, Format::Html] {
        let shown = render(report, format, &Options { width: 4000, ..Options::default() }).expect("rendered");
        let text =
            render(report, Format::Text, &Options { width: 4000, ..Options::default() }).expect("rendered");
        assert!(shown.contains(words), "{format:?} does not say: {words}\n{text}");
    }
}

#[test]
fn a_repeat_replaces_a_disturbed_block() {
    let report = complete(&session(5, &[4, 9]));
    let found = report.disturbance.as_ref().expect("watched");
    // The fixture ran all five spare blocks. Only two of them replace a block.
    assert_eq!((found.blocks, found.counted), (25, 23));
    assert_eq!((found.disturbed.as_slice(), found.replaced.as_slice()), (&[4, 9][..], &[4, 9][..]));
    assert!(found.remaining.is_empty() && kinds(&report).is_empty(), "{:?}", report.warnings);
    assert_eq!(row(&report, "container").blocks, 23);
    assert!((row(&report, "container").cost.expect("known") - 1.002).abs() < 0.004);
    all_say(
        &report,
        "2 of 25 blocks were disturbed: 4, 9; repeated: 4, 9 (a block counts as disturbed if the canary",
    );
    let counted: Vec<bool> = report.trials.iter().filter(|t| t.block == 9).map(|t| t.counted).collect();
    assert_eq!(counted, [false; 5], "all of the block, kept");
    let docker = found.by_environment.iter().find(|row| row.environment == "docker").expect("a row");
    assert_eq!((docker.trials, docker.steal, docker.run_delay), (25, Some(0.5), None));
    assert_eq!(docker.throttled, Some(0.0));
    let json = render(&report, Format::Json, &Options::default()).expect("rendered");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["disturbance"]["gate"]["integer"], 1.25);
    assert_eq!(json["disturbance"]["replaced"], serde_json::json!([4, 9]));
    assert_eq!(json["trials"][0]["noise"]["host"]["run_delay"], serde_json::Value::Null);
}

#[test]
fn a_quiet_session_is_reported_as_quiet() {
    let report = complete(&session(0, &[]));
    all_say(&report, "one of 20 blocks was disturbed (a block counts as disturbed if the canary");
    assert!(kinds(&report).is_empty(), "{:?}", report.warnings);
    let page = render(&report, Format::Html, &Options::default()).expect("rendered");
    assert!(page.contains("canary · arithmetic"), "the figure has a panel of the canary");
}

#[test]
fn disturbed_blocks_without_a_repeat_stay_and_cause_a_warning() {
    let (session, trials) = session(2, &[1, 2, 3, 20, 21]);
    let report = complete(&(session, trials));
    let found = report.disturbance.as_ref().expect("watched");
    assert_eq!((found.counted, found.replaced.as_slice()), (20, &[1, 2][..]));
    assert_eq!(found.remaining, [3, 20, 21], "disturbed repeats wait in their turn");
    all_say(&report, "ost too noisy: 3 of the 20 blocks in the estimates were disturbed");
    let unrepeated = complete(&self::session(0, &[7]));
    assert_eq!(kinds(&unrepeated), [WarningKind::Disturbed]);
    all_say(&unrepeated, "1 of the 20 blocks in the estimates were disturbed and not repeated");
}

#[test]
fn an_interrupted_repeat_replaces_no_block() {
    let (session, mut trials) = session(1, &[4]);
    let of_repeat = trials.iter().position(|trial| trial.block == 20).expect("a repeat");
    trials.truncate(of_repeat + 3);
    let report = analyse(&session, &trials, Some(SessionEnd::Interrupted));
    assert_eq!(report.disturbance.expect("watched").remaining, [4]);
}

#[test]
fn without_thresholds_disturbance_is_unknown() {
    let (mut session, trials) = session(0, &[3]);
    session.plan.gate = None;
    assert_eq!(complete(&(session, trials)).disturbance, None);
}

#[test]
fn a_quota_that_throttles_is_unfair() {
    let (session, mut trials) = session(0, &[]);
    for trial in trials.iter_mut().filter(|trial| trial.condition == 2) {
        let throttled = Some(Throttled { periods: 7, time: 0.125 });
        trial.noise = trial.noise.map(|noise| Noise { throttled, ..noise });
    }
    let report = complete(&(session, trials));
    let told =
        |environment: &str| row(&report, environment).warnings.iter().any(|w| w.message.contains("quota"));
    assert!(told("container") && !told("docker"));
    all_say(&report, "a CPU quota throttled it in 20 of 20 trials, for 125.0 ms in the median");
}

#[test]
fn drift_of_the_machine_causes_a_warning() {
    let fixture = Fixture { drift: 0.3, failing: None, workloads: vec!["cpu"], ..Fixture::default() };
    let (mut session, mut trials) = fixture.build();
    session.plan.gate = Some(GATE);
    for trial in &mut trials {
        trial.noise = Some(noise(1.0 + 0.01 * f64::from(trial.block)));
    }
    let report = complete(&(session, trials));
    let what: Vec<&str> = report.drift.iter().map(|drift| drift.what.as_str()).collect();
    assert_eq!(what, ["the canary's arithmetic", "native in cpu"]);
    assert!(report.drift.iter().all(|drift| drift.change > 0.03), "{:?}", report.drift);
    assert_eq!(kinds(&report), [WarningKind::Drift]);
    all_say(&report, "native in cpu became");
}

#[test]
fn the_precision_that_was_asked_for_is_reached_or_missed() {
    let asked = |target| {
        let (mut session, trials) = session(0, &[]);
        session.plan.stopping = Some(target);
        analyse(&session, &trials, Some(SessionEnd::Precise))
    };
    let reached = asked(0.01);
    assert!(reached.stopping.as_ref().is_some_and(|stopping| stopping.reached));
    assert!(kinds(&reached).is_empty(), "{:?}", reached.warnings);
    all_say(
        &reached,
        "he requested precision was reached: the first metric of every workload is known within ±1 %",
    );
    let missed = asked(0.0001);
    assert_eq!(kinds(&missed), [WarningKind::Imprecise]);
    all_say(&missed, "he requested precision, ±0.01 %, was not reached");
    let by_default = |target| {
        let (mut session, trials) = session(0, &[]);
        (session.plan.stopping, session.plan.stopping_by_default) = (Some(target), true);
        analyse(&session, &trials, Some(SessionEnd::Complete))
    };
    assert!(kinds(&by_default(0.0001)).is_empty(), "nobody requested it");
    all_say(&by_default(0.01), "he precision at which a session ends was reached");
    let (fixed, trials) = session(0, &[]);
    let fixed = complete(&(fixed, trials));
    assert_eq!(fixed.stopping, None);
    let width =
        |report: &Report| row(report, "container").high.zip(row(report, "container").low).map(|(h, l)| h / l);
    assert!(width(&reached) >= width(&fixed), "intervals that chose their moment are made wider");
    assert_eq!(row(&reached, "container").level, 0.95);
}

#[test]
fn an_effect_of_the_trial_before_causes_a_warning() {
    let (session, mut trials) = session(0, &[]);
    let before: Vec<usize> = trials.iter().map(|trial| trial.condition).collect();
    let after_docker =
        |at: usize| at > 0 && session.plan.conditions[before[at - 1]].environment.driver == "docker";
    for (at, trial) in trials.iter_mut().enumerate() {
        if after_docker(at) {
            trial.samples.iter_mut().for_each(|sample| sample.value *= 0.9);
        }
    }
    let report = complete(&(session, trials));
    let told = |row: &ResultRow| row.warnings.iter().any(|warning| warning.kind == WarningKind::CarryOver);
    assert!(told(row(&report, "container")) && told(row(&report, "native#null")));
    assert!(report.results.iter().all(|row| row.headline || !told(row)), "said at the tables only");
    all_say(&report, "depends on the environment that ran before it (p");
    let honest = complete(&self::session(0, &[]));
    assert!(!honest.results.iter().any(told));
}

#[test]
fn trials_that_did_not_complete_in_a_replaced_block_are_not_lost() {
    let (session, mut trials) = session(1, &[4]);
    for trial in trials.iter_mut().filter(|trial| trial.block == 4) {
        (trial.outcome, trial.samples) = (Outcome::Failed, Vec::new());
    }
    let report = complete(&(session, trials));
    let lost = |row: &ResultRow| row.warnings.iter().any(|warning| warning.kind == WarningKind::LostTrials);
    assert!(!report.results.iter().any(lost));
    assert_eq!(row(&report, "docker").blocks, 20);
}
