//! Tests with the intervals of one run and of two runs, one after the other and mixed.

use super::super::decode;
use crate::Status::{self, Complete, Incomplete};

const TITLES: &str = "#           time             counts unit events\n";

/// Rows of `-x`. `ends`: the end of each interval, in tenths of a millisecond.
fn rows(ends: &[u32]) -> String {
    let row = |end: &u32, event| format!("     0.{end:04}00000,5,,{event},7,100.00,,\n");
    ends.iter().map(|end| row(end, "a") + &row(end, "b")).collect()
}

fn statuses(text: &str) -> Vec<Status> {
    decode(text).runs.iter().map(|run| run.status).collect()
}

#[test]
fn alternating_intervals_of_two_runs_are_mixed() {
    assert_eq!(statuses(&rows(&[1001, 2002, 3003, 1001, 2002])), [Complete, Complete]);
    assert_eq!(statuses(&rows(&[1001, 1003, 2002, 2004, 3003])), [Incomplete]);
    assert_eq!(statuses(&rows(&[1001, 2002, 1001, 3003, 2002, 4004, 3003])), [Incomplete; 4]);
    assert_eq!(statuses(&rows(&[1001, 1003])), [Incomplete]);
    assert_eq!(statuses(&rows(&[5005, 6006, 7007])), [Incomplete]);
    let text = rows(&[1001, 2002]) + &rows(&[3003]).replace(",b,", ",c,");
    assert_eq!(statuses(&text), [Incomplete]);
    // A row of a whole run is incomplete if intervals follow it without a mark between them.
    let beside = format!("1,,a,7,100.00,,\n{}", rows(&[1001, 2002]));
    assert_eq!(statuses(&beside), [Incomplete, Complete]);
    let doubled: String = rows(&[1001, 2002]).lines().map(|line| format!("{line}\n{line}\n")).collect();
    assert_eq!(statuses(&doubled), [Incomplete]);
}

#[test]
fn each_run_in_the_text_begins_with_titles() {
    let text = |ends: &[u32]| rows(ends).replace(",5,,", " 5 ").replace(",7,100.00,,", "");
    assert_eq!(statuses(&format!("{TITLES}{}", text(&[1001, 2002, 3003]))), [Complete]);
    let two = format!("{TITLES}{}{TITLES}{}", text(&[1001]), text(&[1003, 2004]));
    assert_eq!(statuses(&two), [Complete, Complete]);
    let in_turn = format!("{TITLES}{}{TITLES}{}", text(&[1001, 2002]), text(&[1001, 3003, 2002]));
    assert!(!statuses(&in_turn).contains(&Complete));
    let ends: Vec<u32> = (1..=25).map(|at| at * 300).collect();
    let in_a_row = format!("{TITLES}{}", text(&ends)).repeat(2);
    assert_eq!(statuses(&in_a_row), [Complete, Complete]);
    let headless = format!("{}{TITLES}{}", text(&[3003]), text(&[1001, 2002]));
    assert_eq!(statuses(&headless), [Incomplete, Complete]);
}

#[test]
fn a_counter_that_was_not_active_in_an_interval_has_no_total() {
    let text = rows(&[1001, 2002, 3003]).replacen("5,,a,7,100.00", "<not counted>,,a,0,0.00", 1);
    let found = decode(&text.replacen("5,,b,7,100.00", "<not counted>,,b,0,100.00", 1));
    let names: Vec<_> =
        found.runs.iter().flat_map(|run| &run.metrics).map(|m| (m.name.as_ref(), m.value)).collect();
    assert_eq!(names, [("b", 10.0), ("total_time", 0.3003), ("intervals", 3.0)]);
    assert_eq!(found.warnings, ["line 1: a was not counted in every interval"]);
}
