//! Tests with texts that differ from all recorded outputs.

use super::*;

fn check(text: &str, expect: &[&str]) {
    let of_run =
        |run: &Run| format!("{:?} {}", run.status, run.labels.get("test").map_or("", String::as_str));
    assert_eq!(decode(text).runs.iter().map(of_run).collect::<Vec<_>>(), expect, "{text}");
}

#[test]
fn doubled_lines_are_mixed_and_repeated_commands_are_not() {
    let line = |name: &str, rate: &str| format!("{name}: {rate} requests per second, p50=0.311 msec\n");
    let (set, get) = (line("SET", "10.00"), line("GET", "20.00"));
    check(
        &format!("{set}{set}{get}{get}\n\n"),
        &["Incomplete SET", "Incomplete SET", "Incomplete GET", "Incomplete GET"],
    );
    check(&format!("{set}{set}\n\n"), &["Incomplete SET", "Incomplete SET"]);
    check(&format!("{set}{set}"), &["Complete SET", "Complete SET"]);
    check(&format!("{set}\n{set}\n"), &["Complete SET", "Complete SET"]);
    check(&format!("{set}{}\n", line("SET", "11.00")), &["Complete SET", "Complete SET"]);
}

#[test]
fn incomplete_commands_and_infinite_rates_have_no_numbers() {
    check("SET: 12.50\nGET: 1.00 requests per second\n", &["Incomplete SET", "Complete GET"]);
    check("SET: inf requests per second\n", &["Unreadable SET"]);
    check("\"test\",\"rps\",\"avg_latency_ms\"\n", &["Incomplete "]);
    check("\"test\",\"rps\",\"avg_latency_ms\"\n\"SET\",\"1.00\"\n", &["Incomplete SET"]);
    check("All clients disconnected... aborting.\n", &["Unreadable "]);
}
