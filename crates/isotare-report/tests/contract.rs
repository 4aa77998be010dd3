//! Tests of what other programs rely on: the fields of the JSON, and pages that no data can break.

mod fixture;

use fixture::{Fixture, NATIVE, Noise};
use isotare_core::{Outcome, Session, SessionEnd, Trial};
use isotare_report::{Format, NullStatus, Options, RECORDS, Report, Status, WarningKind, analyse, render};
use proptest::prelude::{any, prop};
use proptest::proptest;
use serde_json::Value;

const FORMATS: [Format; 5] = [Format::Text, Format::Json, Format::Csv, Format::Markdown, Format::Html];

fn complete((session, trials): &(Session, Vec<Trial>)) -> Report {
    analyse(session, trials, Some(SessionEnd::Complete))
}

#[test]
fn every_record_is_in_the_ledger_even_if_it_is_unknown() {
    let ledger = complete(&Fixture::default().build()).ledger;
    let row = |fact: &str| ledger.differs.iter().find(|row| row.fact == fact);
    for fact in RECORDS {
        assert!(ledger.same.contains_key(fact) != row(fact).is_some(), "{fact}");
    }
    assert_eq!(ledger.same["mitigations"], "unknown");
    assert_eq!(row("kernel").expect("differs").values["qemu:accel=tcg"], "6.1.0-32-cloud-amd64");
    let mut told = Fixture::default().build();
    told.1[0].facts.insert("ksm".to_owned(), "0".to_owned());
    let ledger = complete(&told).ledger;
    let ksm = ledger.differs.iter().find(|row| row.fact == "ksm").expect("one knows it, the others do not");
    assert_eq!(ksm.values.values().filter(|value| *value == "unknown").count(), ksm.values.len() - 1);
    assert_eq!(ksm.warning, None, "what is not known is no reason to warn");
}

fn all_formats(report: &Report) -> Vec<String> {
    FORMATS.iter().map(|format| render(report, *format, &Options::default()).expect("rendered")).collect()
}

/// Parses the page as XML, with the void elements of HTML closed.
fn check_page(page: &str) {
    let page = page.replacen("<!DOCTYPE html>", "", 1);
    let mut open: Vec<String> = Vec::new();
    let mut reader = quick_xml::Reader::from_str(&page);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    loop {
        use quick_xml::events::Event;
        match reader.read_event().unwrap_or_else(|error| panic!("{error} at {}", reader.error_position())) {
            Event::Start(tag) => {
                let name = tag.name().as_ref().to_owned();
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap_or_else(|error| panic!("{error} in {name}"));
                    assert!(!attribute.key.as_ref().starts_with("on"), "{name} has a handler of events");
                }
                assert_ne!(name, "script", "the page needs no scripts");
                if !["meta", "col", "br", "wbr"].contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Event::End(tag) => assert_eq!(open.pop(), Some(tag.name().as_ref().to_owned())),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?} not closed");
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let report = complete(&Fixture::default().build());
    let json: Value = serde_json::from_str(&all_formats(&report)[1]).expect("JSON");
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["session"], "20260314-091500-k3f9");
    let results = json["results"].as_array().expect("a list");
    for row in results {
        for text in ["workload", "metric", "unit", "environment", "baseline"] {
            assert!(row[text].is_string(), "{text} of {row}");
        }
        for number in
            ["value", "baseline_value", "ratio", "low", "high", "level", "cost", "cost_low", "cost_high"]
        {
            assert!(row[number].is_number(), "{number} of {row}");
        }
        assert!(row["parameters"].is_object() && row["warnings"].is_array() && row["blocks"].is_u64());
        assert!(["higher", "lower"].contains(&row["better"].as_str().expect("text")));
        let verdicts = ["slower", "faster", "equivalent", "inconclusive"];
        assert!(verdicts.contains(&row["verdict"].as_str().expect("text")));
    }
    let find = |environment: &str, metric: &str| {
        let is_it = |row: &&Value| row["environment"] == environment && row["metric"] == metric;
        results.iter().find(is_it).unwrap_or_else(|| panic!("{environment} {metric}"))
    };
    assert_eq!(find("native#null", "events_per_second")["verdict"], "equivalent");
    let emulated = find("qemu:accel=tcg", "events_per_second");
    assert_eq!(emulated["verdict"], "slower");
    let (ratio, cost) =
        (emulated["ratio"].as_f64().expect("number"), emulated["cost"].as_f64().expect("number"));
    assert!((cost / 12.3 - 1.0).abs() < 0.01 && (ratio * cost - 1.0).abs() < 1e-9);
    let kinds: Vec<&Value> =
        emulated["warnings"].as_array().expect("list").iter().map(|w| &w["kind"]).collect();
    assert_eq!(kinds, ["emulation", "clock", "unfair"]);
    assert!(find("container", "startup")["ratio"].as_f64().expect("number") > 3.0);
    let trials = json["trials"].as_array().expect("a list");
    assert_eq!(trials.len(), 300);
    assert!(trials.iter().all(|trial| trial["outcome"].is_string() && trial["environment"].is_string()));
    assert!(json["environments"].as_array().expect("a list").iter().any(|e| e["status"] == "unavailable"));
}

#[test]
fn known_overheads_are_found_through_drift() {
    let report = complete(&Fixture { drift: 0.5, ..Fixture::default() }.build());
    for (environment, metric, cost) in
        [("container", "operations_per_second", 1.085), ("docker", "operations_per_second", 1.12)]
    {
        let row = report
            .results
            .iter()
            .find(|r| r.environment == environment && r.metric == metric)
            .expect("a row");
        let (low, high) = (row.cost_low.expect("low"), row.cost_high.expect("high"));
        assert!(low - 0.003 < cost && cost < high + 0.003, "{environment}: {low}..{high}");
    }
    assert_eq!(report.null_test.calibrated, Some(true));
}

#[test]
fn a_baseline_that_differs_from_its_replica_causes_a_warning() {
    let mut fixture = Fixture::default();
    fixture.arms[1].cost = [1.05; 3];
    let report = complete(&fixture.build());
    assert_eq!(report.null_test.calibrated, Some(false));
    assert!(report.warnings.iter().any(|w| w.kind == WarningKind::NotCalibrated));
    let container = report.results.iter().find(|row| row.environment == "container").expect("a row");
    assert!(container.warnings.iter().any(|w| w.kind == WarningKind::NotCalibrated));
}

#[test]
fn an_environment_faster_than_native_causes_a_warning() {
    let mut fixture = Fixture::default();
    fixture.arms[2].cost = [0.9; 3];
    let report = complete(&fixture.build());
    let container = report.results.iter().find(|row| row.environment == "container").expect("a row");
    assert!(container.warnings.iter().any(|w| w.kind == WarningKind::FasterThanBaseline));
}

#[test]
fn an_environment_with_only_failures_is_listed() {
    let report = complete(&Fixture { failing: Some(("docker", 1)), ..Fixture::default() }.build());
    let docker = report.environments.iter().find(|e| e.environment == "docker").expect("listed");
    assert_eq!((docker.status, docker.completed, docker.trials), (Status::NothingCompleted, 0, 60));
    assert!(docker.reason.as_deref().is_some_and(|reason| reason.contains("cgroup vanished")));
    assert!(report.results.iter().all(|row| row.environment != "docker"));
    for (at, text) in all_formats(&report).iter().enumerate().filter(|(at, _)| *at != 2) {
        assert!(text.contains("docker") && text.contains("cgroup vanished"), "format {at}");
    }
}

#[test]
fn the_reason_for_a_missing_environment_is_written_once() {
    let report = complete(&Fixture::default().build());
    let forms = all_formats(&report);
    for (at, mark) in
        [(0, "unavailable ⁵"), (3, "| unavailable | 0 | (5) |"), (4, "unavailable<sup><a href=\"#note-5\"")]
    {
        let flat = forms[at].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(flat.matches("a guest did not boot within 20 s").count(), 1, "format {at}");
        assert!(flat.matches(mark).count() >= 4, "format {at}: each table has a mark: {flat}");
    }
}

#[test]
fn a_long_name_is_broken_between_its_settings() {
    let mut fixture = Fixture::default();
    fixture.arms[2].spec = "container:network=none,root=copy";
    let page = all_formats(&complete(&fixture.build())).remove(4);
    assert!(page.contains("<th scope=\"row\">container:<wbr>network=none,<wbr>root=copy</th>"), "{page}");
    assert!(page.contains("<th scope=\"row\">qemu:accel=tcg</th>"));
    check_page(&page);
}

#[test]
fn without_baseline_trials_there_are_values_but_no_ratios() {
    let report = complete(&Fixture { failing: Some(("native", 1)), ..Fixture::default() }.build());
    let row = report.results.iter().find(|row| row.headline).expect("a row");
    assert_eq!((row.ratio, row.blocks), (None, 0));
    assert!(report.warnings.iter().any(|w| w.kind == WarningKind::NoBaseline));
    check_page(&all_formats(&report)[4]);
}

#[test]
fn one_block_gives_ratios_and_no_verdicts() {
    let report = complete(&Fixture { blocks: 1, ..Fixture::default() }.build());
    let row = report.results.iter().find(|row| row.environment == "container").expect("a row");
    assert!(row.ratio.is_some() && row.low.is_none() && row.p.is_none());
    assert_eq!(serde_json::to_value(row.verdict).expect("JSON"), "inconclusive");
    assert_eq!(row.warnings.first().map(|warning| warning.kind), Some(WarningKind::FewBlocks));
    assert_eq!(report.null_test.calibrated, None);
    check_page(&all_formats(&report)[4]);
}

#[test]
fn a_session_without_trials_has_no_results() {
    let (session, _) = Fixture::default().build();
    let report = analyse(&session, &[], Some(SessionEnd::Interrupted));
    assert!(report.results.is_empty());
    assert!(report.environments.iter().filter(|e| e.status == Status::NotReached).count() == 5);
    let formats = all_formats(&report);
    assert!(formats[0].contains("Nothing was measured") && formats[0].contains("/dev/kvm opens"));
    check_page(&formats[4]);
}

#[test]
fn no_data_can_break_a_page_or_control_a_terminal() {
    const EVIL: &str = "</title><script>alert(1)</script>\"'&\u{1b}[2J|\u{0}\u{9b}\u{202e}\u{200b}";
    let (mut session, mut trials) = Fixture::default().build();
    for condition in &mut session.plan.conditions {
        condition.workload.name = EVIL.to_owned();
        condition.workload.given.push((EVIL.to_owned(), EVIL.to_owned()));
        if condition.environment.driver == "docker" {
            condition.environment.given = vec![(EVIL.to_owned(), EVIL.to_owned())];
        }
    }
    session.host.warnings.push(EVIL.to_owned());
    session.host.facts.insert(EVIL.to_owned(), EVIL.to_owned());
    session.argv.push(EVIL.to_owned());
    session.id = EVIL.to_owned();
    for trial in &mut trials {
        trial.facts.insert(EVIL.to_owned(), format!("{EVIL}{}", trial.condition));
        for sample in &mut trial.samples {
            sample.metric.name = format!("{EVIL}{}", sample.metric.name).into();
            sample.metric.unit = EVIL.into();
        }
        if let Some(failure) = &mut trial.failure {
            failure.reason = EVIL.to_owned();
            failure.diagnostics = EVIL.to_owned();
        }
    }
    let formats = all_formats(&analyse(&session, &trials, None));
    for (at, page) in [(0, &formats[0]), (3, &formats[3]), (4, &formats[4])] {
        assert!(!page.contains(isotare_core::is_hidden), "hidden characters in format {at}");
    }
    assert!(!formats[4].contains("<script"));
    // In Markdown, the session and the command line are formatted as code, which shows every character.
    let is_code = |line: &&str| line.starts_with("    ") || line.starts_with("Session `");
    assert!(formats[3].lines().filter(|line| !is_code(line)).all(|line| !line.contains("<script")));
    check_page(&formats[4]);
}

#[test]
fn no_cell_of_a_report_is_a_formula_in_a_spreadsheet() {
    let (mut session, trials) = Fixture::default().build();
    for condition in &mut session.plan.conditions {
        condition.workload.name = "=HYPERLINK(\"http://x\",\u{1b}A1)\n".to_owned();
    }
    let csv = all_formats(&analyse(&session, &trials, None)).remove(2);
    assert!(csv.contains("\"'=HYPERLINK(\"\"http://x\"\",\\x1bA1)\\n\""), "{csv}");
    assert!(!csv.contains(",=") && !csv.contains(",\"="), "{csv}");
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let page = all_formats(&complete(&Fixture::default().build())).remove(4);
    check_page(&page);
    let policy = "<head><meta http-equiv=\"Content-Security-Policy\" \
                  content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">";
    assert!(page.contains(policy), "nothing of the page comes before its policy");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert_eq!(page.matches("<figcaption").count(), 4);
    assert_eq!(page.matches("<title id=").count(), 4);
}

proptest! {
    #[test]
    fn arbitrary_trials_never_panic(
        seed in any::<u64>(),
        blocks in 0_u32..4,
        values in prop::collection::vec(any::<f64>(), 0..8),
        level in any::<f64>(),
        margin in any::<f64>(),
    ) {
        let fixture = Fixture { blocks, arms: vec![NATIVE, fixture::Arm { spec: "docker", ..NATIVE }], ..Fixture::default() };
        let (mut session, mut trials) = fixture.build();
        (session.plan.level, session.plan.margin) = (level, margin);
        let mut noise = Noise(seed);
        let mut pick = |most: usize| usize::try_from(noise.next() % most as u64).expect("small");
        for trial in &mut trials {
            trial.outcome = Outcome::ALL[pick(Outcome::ALL.len())];
            trial.condition = pick(9);
            trial.block = u32::try_from(pick(5)).expect("small");
            trial.at_ns = u64::MAX / (1 + pick(5) as u64);
            for sample in &mut trial.samples {
                sample.value = values.get(pick(9)).copied().unwrap_or(sample.value);
            }
            if pick(3) == 0 {
                trial.phases.clear();
                trial.clock = None;
            }
        }
        let report = analyse(&session, &trials, None);
        for format in FORMATS {
            render(&report, format, &Options { width: 20, color: true, ..Options::default() }).expect("rendered");
        }
    }
}

#[test]
fn noise_is_explained_once_and_not_for_each_row() {
    let report = complete(&Fixture { noise: 0.04, blocks: 7, failing: None, ..Fixture::default() }.build());
    let text = &all_formats(&report)[0];
    assert!(text.contains("inconclusive (resolves "));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(text.matches("does not mean that there is no overhead").count(), 1);
}

#[test]
fn metrics_of_samplers_do_not_decide_the_null_test() {
    let mut fixture = Fixture::default();
    fixture.arms[1].cpu = &[(isotare_core::Role::Workload, 1.2)];
    let report = complete(&fixture.build());
    assert_eq!(report.null_test.calibrated, Some(true));
    let rows = || report.results.iter().filter(|row| row.environment == "native#null");
    assert!(
        rows().any(|row| row.metric == "cpu_user"
            && row.warnings.iter().any(|w| w.kind == WarningKind::NotCalibrated))
    );
    assert_eq!(report.null_test.left_out, ["cgroup memory", "cpu system", "cpu user"]);
    let formats = all_formats(&report);
    assert!(formats[0].matches("cpu user").count() == 1 && formats[4].contains("Resources"));
}

/// The trials of the replica of the baseline, in the order of blocks.
fn of_replica<'a>(session: &Session, trials: &'a mut [Trial]) -> impl Iterator<Item = &'a mut Trial> {
    let conditions = session.plan.conditions.clone();
    trials.iter_mut().filter(move |trial| conditions[trial.condition].environment.replica.is_some())
}

/// From a bug report: the null test was called passed beside a row of ×0.995 [0.194, 1.460].
#[test]
fn a_null_test_with_a_wide_interval_is_not_shown() {
    let (session, mut trials) = Fixture::default().build();
    for trial in of_replica(&session, &mut trials) {
        let factor = if trial.block % 2 == 0 { 0.3 } else { 3.0 };
        trial.samples.iter_mut().for_each(|sample| sample.value *= factor);
    }
    let report = complete(&(session, trials));
    assert_eq!((report.null_test.status, report.null_test.calibrated), (NullStatus::NotShown, None));
    assert!(report.null_test.resolves.is_some_and(|effect| effect > 1.0), "{:?}", report.null_test);
    for (at, text) in all_formats(&report).iter().enumerate().filter(|(at, _)| *at != 2) {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.to_lowercase().contains("null test not shown (resolves ")
                && !flat.contains("null test passed"),
            "format {at}: {flat}"
        );
    }
}

#[test]
fn the_null_test_includes_the_lifecycle() {
    let (session, mut trials) = Fixture::default().build();
    let passed = complete(&(session.clone(), trials.clone()));
    assert_eq!(passed.null_test.status, NullStatus::Passed, "{:?}", passed.null_test);
    for trial in of_replica(&session, &mut trials) {
        let slow = trial.block % 2 == 0;
        trial
            .phases
            .iter_mut()
            .for_each(|time| time.took_ns = if slow { time.took_ns * 2 } else { time.took_ns / 2 });
    }
    let report = complete(&(session, trials));
    assert_eq!(report.null_test.status, NullStatus::NotShown);
    assert!(
        report.null_test.not_shown.iter().all(|place| place.starts_with("lifecycle")),
        "{:?}",
        report.null_test
    );
    assert!(report.null_test.sentence.contains("in 3 of 4 rows"), "{}", report.null_test.sentence);
}

#[test]
fn an_emulated_machine_is_marked_in_every_form() {
    let (mut session, trials) = Fixture::default().build();
    let mark = "EMULATED MACHINE";
    let plain = complete(&(session.clone(), trials.clone()));
    assert!(!plain.emulated && all_formats(&plain).iter().all(|form| !form.contains(mark)));
    session.host.facts.insert("emulated".to_owned(), "yes (QEMU TCG)".to_owned());
    let [text, json, csv, markdown, html]: [String; 5] =
        all_formats(&complete(&(session, trials))).try_into().expect("five forms");
    assert!(text.starts_with(mark) && html.contains(mark), "{text}");
    assert!(markdown.lines().nth(2).is_some_and(|line| line.contains(mark)), "{markdown}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["emulated"], true);
    assert!(csv.lines().next().is_some_and(|head| head.ends_with(",emulated")), "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.ends_with(",true")), "{csv}");
}
