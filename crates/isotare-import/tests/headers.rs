//! Monitors repeat their header after as many rows as the terminal has. These tests show that the result does
//! not depend on the height of the terminal.

use isotare_import::{FileRead, Status, read};
use proptest::prelude::*;

const NAMES: [&str; 17] = [
    "r", "b", "swpd", "free", "buff", "cache", "si", "so", "bi", "bo", "in", "cs", "us", "sy", "id", "wa",
    "st",
];

/// Rows of vmstat, with a header before each group of `height` rows.
fn vmstat(rows: &[[u32; 17]], height: usize) -> String {
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        if at % height == 0 {
            text += "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n";
            text += &format!("{}\n", NAMES.join(" "));
        }
        text += &format!("{}\n", row.map(|value| value.to_string()).join(" "));
    }
    text
}

/// A recording with this number of rows. The first row covers the time since boot and is different from the
/// others.
fn recording(seed: u32, length: usize) -> Vec<[u32; 17]> {
    let mut state = u64::from(seed) + 1;
    let mut next = move |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % most).expect("small")
    };
    let mut rows: Vec<[u32; 17]> = (0..length).map(|_| std::array::from_fn(|_| next(5000) + 8)).collect();
    rows[0][8..17].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 0, 0]);
    rows
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}

fn check(found: &FileRead, at: usize, name: &str, expect: f64) {
    let run = &found.runs[at];
    assert_eq!(run.status, Status::Complete, "{run:?}");
    let value = run.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
    assert!(value.is_some_and(|value| (value - expect).abs() < 1e-9), "{name}: {value:?}, not {expect}");
}

fn check_vmstat(found: &FileRead, at: usize, rows: &[[u32; 17]]) {
    let counted = if rows.len() == 1 { rows } else { &rows[1..] };
    for (column, name) in NAMES.iter().enumerate() {
        check(found, at, name, mean(counted.iter().map(|row| f64::from(row[column]))));
    }
    check(found, at, "rows", counted.len() as f64);
}

/// Formats a row with this value.
type Row = fn(f64) -> String;

/// Rows of sar, mpstat or pidstat, one in each report. The time of a header is that of the report before it.
fn sysstat(names: &str, row: Row, values: &[f64], height: usize) -> String {
    let time =
        |second: usize| format!("{:02}:{:02}:{:02}", 10 + second / 3600, second / 60 % 60, second % 60);
    let mut text = "Linux 6.1.0 (host) \t01/02/24 \t_x86_64_\t(2 CPU)\n".to_owned();
    for (at, value) in values.iter().enumerate() {
        if at % height == 0 {
            text += &format!("\n{}   {names}\n", time(at));
        }
        text += &format!("{}   {}\n", time(at + 1), row(*value));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_of_vmstat_is_one_run(seed in any::<u32>(), height in 1_usize..120, length in 1_usize..400) {
        let rows = recording(seed, length);
        let found = read("vmstat", vmstat(&rows, height).as_bytes(), None);
        prop_assert_eq!(found.runs.len(), 1, "{:?}", found.warnings);
        check_vmstat(&found, 0, &rows);
    }

    #[test]
    fn two_recordings_of_vmstat_are_two(
        seed in any::<u32>(), heights in [1_usize..60, 1_usize..60], first in 2_usize..150, second in 2_usize..150,
    ) {
        let (one, other) = (recording(seed, first), recording(seed.wrapping_add(1), second));
        let text = vmstat(&one, heights[0]) + &vmstat(&other, heights[1]);
        let found = read("vmstat", text.as_bytes(), None);
        prop_assert_eq!(found.runs.len(), 2, "{:?}", found.warnings);
        check_vmstat(&found, 0, &one);
        check_vmstat(&found, 1, &other);
    }

    #[test]
    fn a_recording_of_a_monitor_of_sysstat_is_one_run(
        values in prop::collection::vec(0_u32..10_000, 1..300), height in 1_usize..120,
    ) {
        let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 100.0).collect();
        let monitors: [(&str, &str, Row); 3] = [
            ("mpstat", "CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal  %guest  %gnice   %idle", |value| format!("all {value:.2} 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00")),
            ("sar", "CPU     %user     %nice   %system   %iowait    %steal     %idle", |value| {
                format!("all {value:.2} 0.00 0.00 0.00 0.00 0.00")
            }),
            ("pidstat", "UID       PID    %usr %system  %guest   %wait    %CPU   CPU  Command", |value| {
                format!("0 1 {value:.2} 0.00 0.00 0.00 0.00 1  init")
            }),
        ];
        for (tool, names, row) in monitors {
            let found = read(tool, sysstat(names, row, &values, height).as_bytes(), None);
            prop_assert_eq!((found.tool, found.runs.len()), (Some(tool), 1), "{:?}", found.warnings);
            let name = if tool == "sar" { "%user" } else { "%usr" };
            check(&found, 0, name, mean(values.iter().copied()));
            check(&found, 0, "rows", values.len() as f64);
        }
    }
}

/// In a file, headers are 21 rows apart. Another distance causes a warning.
#[test]
fn an_unusual_distance_between_headers_causes_a_warning() {
    let of = |height: usize| read("vmstat", vmstat(&recording(1, 45), height).as_bytes(), None).warnings;
    let tells = |warnings: &[String]| warnings.iter().any(|warning| warning.contains("terminal of 13 lines"));
    assert!(tells(&of(10)) && of(21).iter().all(|warning| !warning.contains("terminal")));
}
