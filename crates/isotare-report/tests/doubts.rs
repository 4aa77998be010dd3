//! Typical errors of published data, as files. Each must cause a warning, and similar data without the error
//! must not.

mod fixture;

use fixture::Fixture;
use isotare_core::SessionEnd;
use isotare_import::{Reading, paired};
use isotare_report::{Format, Options, Report, WarningKind, analyse, analyse_values, render};

/// `(condition, metric, unit, values)`.
type Series<'a> = (&'a str, &'a str, &'a str, &'a [f64]);

fn report(series: &[Series<'_>]) -> Report {
    let mut text = "block,condition,metric,unit,value\n".to_owned();
    for (condition, metric, unit, values) in series {
        for (block, value) in values.iter().enumerate() {
            text.push_str(&format!("{block},{condition},{metric},{unit},{value}\n"));
        }
    }
    let (session, trials) = paired(text.as_bytes(), &Reading::default()).expect("understood");
    analyse_values("trap.csv", &session, &trials)
}

/// The kinds of warnings about the values of an environment. Every format shows each of them.
fn doubts(report: &Report, environment: &str) -> Vec<WarningKind> {
    let about = [
        WarningKind::TooSteady,
        WarningKind::SeveralModes,
        WarningKind::SyncNotHonoured,
        WarningKind::Impossible,
        WarningKind::Duplicate,
        WarningKind::Trend,
        WarningKind::WarmUp,
        WarningKind::FasterThanBaseline,
    ];
    let rows = report.results.iter().filter(|row| row.environment == environment);
    let found: Vec<_> = rows.flat_map(|row| &row.warnings).filter(|w| about.contains(&w.kind)).collect();
    for format in [Format::Text, Format::Json, Format::Csv, Format::Markdown, Format::Html] {
        let shown = render(report, format, &Options { width: 2000, ..Options::default() }).expect("rendered");
        for warning in &found {
            let start: String =
                warning.message.split(['\'', '"', '<', '&', ';']).next().unwrap_or_default().to_owned();
            assert!(shown.contains(&start), "{format:?} does not show: {start}\n{shown}");
        }
    }
    let mut kinds: Vec<WarningKind> = found.iter().map(|warning| warning.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

const METAL: [f64; 10] = [502.6, 501.9, 503.1, 502.2, 502.8, 502.4, 502.6, 501.5, 502.6, 502.9];
const DOCKER_BOOT: [f64; 10] = [0.69, 0.75, 0.61, 0.70, 0.66, 0.83, 0.72, 0.64, 0.69, 0.78];

#[test]
fn two_speeds_of_a_processor_are_reported() {
    let gvisor = [337.1, 499.8, 336.9, 501.2, 500.7, 337.4, 500.1, 499.9, 338.0, 500.4];
    let docker = [500.1, 499.5, 501.1, 500.3, 499.9, 500.6, 500.0, 500.9, 499.1, 500.2];
    let report = report(&[
        ("metal", "rate", "1/s", &METAL),
        ("docker", "rate", "1/s", &docker),
        ("gvisor", "rate", "1/s", &gvisor),
    ]);
    assert_eq!(doubts(&report, "gvisor"), [WarningKind::SeveralModes]);
    assert_eq!(doubts(&report, "docker"), []);
}

#[test]
fn an_environment_faster_than_the_baseline_is_reported() {
    let faster: Vec<f64> =
        METAL.iter().zip(0..).map(|(v, i)| v * (1.08 + 0.001 * f64::from(i % 3))).collect();
    let report = report(&[("metal", "rate", "1/s", &METAL), ("docker", "rate", "1/s", &faster)]);
    assert_eq!(doubts(&report, "docker"), [WarningKind::FasterThanBaseline]);
}

#[test]
fn a_launcher_that_sleeps_is_reported() {
    let firecracker = [5.13, 5.12, 5.135, 5.14, 5.131, 5.122, 5.127, 5.14, 5.133, 5.13];
    let kvm = [14.9, 15.3, 14.4, 14.9, 15.1, 14.2, 16.0, 14.8, 15.2, 14.7];
    let report = report(&[
        ("docker", "boot", "s", &DOCKER_BOOT),
        ("kvm", "boot", "s", &kvm),
        ("fc", "boot", "s", &firecracker),
    ]);
    assert_eq!(doubts(&report, "fc"), [WarningKind::TooSteady]);
    assert_eq!(doubts(&report, "kvm"), []);
}

#[test]
fn a_copied_series_is_reported() {
    let other: Vec<f64> =
        DOCKER_BOOT.iter().zip(0..).map(|(v, i)| v * (1.1 + 0.01 * f64::from(i % 4))).collect();
    let report = report(&[
        ("docker", "boot", "s", &DOCKER_BOOT),
        ("podman", "boot", "s", &other),
        ("lxc", "boot", "s", &other),
    ]);
    assert_eq!(doubts(&report, "podman"), [WarningKind::Duplicate]);
    assert_eq!(doubts(&report, "lxc"), [WarningKind::Duplicate]);
}

#[test]
fn a_growing_overhead_is_reported() {
    let leaking: Vec<f64> = METAL.iter().zip(0..).map(|(v, i)| v / (1.02 + 0.02 * f64::from(i))).collect();
    let report = report(&[("metal", "rate", "1/s", &METAL), ("lxd", "rate", "1/s", &leaking)]);
    assert_eq!(doubts(&report, "lxd"), [WarningKind::Trend]);
}

#[test]
fn slow_first_boots_are_reported() {
    let docker = [&[0.72, 0.65], &DOCKER_BOOT[..]].concat();
    let vm = |first: [f64; 2]| {
        let mut boots: Vec<f64> =
            docker.iter().zip(0..).map(|(v, i)| v * (2.1 + 0.01 * f64::from(i % 4))).collect();
        boots[..2].iter_mut().zip(first).for_each(|(boot, slower)| *boot *= slower);
        boots
    };
    let (cold, warm) = (vm([1.9, 1.3]), vm([1.0, 1.0]));
    let report = report(&[
        ("docker", "boot", "s", &docker),
        ("cold", "boot", "s", &cold),
        ("warm", "boot", "s", &warm),
    ]);
    assert_eq!(doubts(&report, "cold"), [WarningKind::WarmUp]);
    assert_eq!(doubts(&report, "warm"), []);
    let row = report.results.iter().find(|row| row.environment == "cold").expect("compared");
    assert_eq!(row.blocks, 12, "they are kept");
}

#[test]
fn syncs_that_are_too_fast_are_reported() {
    let honest: Vec<f64> =
        METAL.iter().zip(0..).map(|(v, i)| v * (0.97 + 0.001 * f64::from(i % 3))).collect();
    let hasty: Vec<f64> = METAL.iter().zip(0..).map(|(v, i)| v * (9.0 + 0.1 * f64::from(i % 3))).collect();
    let report = report(&[
        ("metal", "fsyncs_per_second", "1/s", &METAL),
        ("docker", "fsyncs_per_second", "1/s", &honest),
        ("vm", "fsyncs_per_second", "1/s", &hasty),
    ]);
    assert_eq!(doubts(&report, "vm"), [WarningKind::FasterThanBaseline, WarningKind::SyncNotHonoured]);
    assert_eq!(doubts(&report, "docker"), []);
}

#[test]
fn a_mean_above_the_maximum_is_reported() {
    let shifted = |by: f64| METAL.map(|v| v * by);
    let report = report(&[
        ("metal", "latency_mean", "s", &METAL),
        ("metal", "latency_max", "s", &shifted(2.0)),
        ("vm", "latency_mean", "s", &shifted(3.01)),
        ("vm", "latency_max", "s", &shifted(2.503)),
    ]);
    assert!(doubts(&report, "vm").contains(&WarningKind::Impossible));
}

#[test]
fn correct_sessions_rarely_cause_warnings() {
    let about = [
        WarningKind::TooSteady,
        WarningKind::SeveralModes,
        WarningKind::Duplicate,
        WarningKind::Trend,
        WarningKind::WarmUp,
    ];
    let (mut rows, mut doubted) = (0, 0);
    for seed in 0..25 {
        for (blocks, drift) in [(10, 0.2), (20, 0.03)] {
            let (session, trials) =
                Fixture { seed, blocks, drift, failing: None, ..Fixture::default() }.build();
            let report = analyse(&session, &trials, Some(SessionEnd::Complete));
            let shown: Vec<_> = report.results.iter().filter(|row| row.headline).collect();
            rows += shown.len();
            doubted +=
                shown.iter().filter(|row| row.warnings.iter().any(|w| about.contains(&w.kind))).count();
            assert!(
                report
                    .results
                    .iter()
                    .flat_map(|row| &row.warnings)
                    .all(|w| w.kind != WarningKind::Impossible)
            );
        }
    }
    assert!(rows > 1000 && doubted * 100 <= rows, "{doubted} of {rows}");
}
