//! Tests with texts that differ from all recorded outputs.

use super::*;
use crate::Status;

fn check(text: &str, expect: &[&str]) {
    let of_run = |run: &Run| {
        let metrics = run.metrics.iter().map(|metric| format!(" {}={}", metric.name, metric.value));
        format!("{:?}{}", run.status, metrics.collect::<String>())
    };
    assert_eq!(decode(text).runs.iter().map(of_run).collect::<Vec<_>>(), expect, "{text}");
}

const OLD: &str = "starting vacuum...end.\ntransaction type: TPC-B (sort of)\nscaling factor: 1\nnumber of clients: 2\n\
                   number of transactions actually processed: 20/20\nlatency average: 2.000 ms\n\
                   tps = 990.0 (including connections establishing)\ntps = 1000.0 (excluding connections establishing)\n";

#[test]
fn a_report_of_9_5_is_read() {
    let whole = "Complete transactions_per_second=1000 transactions_per_second_with_connecting=990 latency_mean=0.002";
    check(OLD, &[whole]);
    let statements =
        "statement latencies in milliseconds:\n\t0.002000\t\\set a 1\n\t0.000000\tBEGIN;\n\t1.500000\tEND;\n";
    let each = ["Complete latency_mean=0.000002", "Complete latency_mean=0.0015"];
    check(&format!("{OLD}{statements}{OLD}"), &[whole, each[0], each[1], whole]);
}

#[test]
fn a_report_that_contradicts_itself_has_no_numbers() {
    check(&OLD.replace("20/20", "19/20"), &["Incomplete"]);
    check(&OLD.replace("20/20", "0/20"), &["Unreadable"]);
    check(&OLD.replace("2.000 ms", "9.000 ms"), &["Incomplete"]);
    check(&OLD.replace("1000.0", "inf"), &["Unreadable"]);
    check(&OLD.replace("tps = 1000.0", "tps = 10.0"), &["Incomplete"]);
}

#[test]
fn progress_of_two_runs_shows_that_they_are_mixed() {
    let line = |at: &str| format!("progress: {at} s, 10.0 tps, lat 1.0 ms stddev 0.1\n");
    let both = [line("1.0"), line("1.0"), line("2.0"), OLD.replace("starting vacuum...end.\n", "")].concat();
    check(&both, &["Incomplete"]);
    assert_eq!(decode(&line("1.0")).runs[0].status, Status::Incomplete);
}

#[test]
fn versions_are_read_from_the_banner() {
    let lines = [
        "pgbench (16.3)",
        "pgbench (17.2 (Debian 17.2-1), server 15.1 (x))",
        "pgbench (PostgreSQL) 9.6.24",
        "x",
    ];
    assert_eq!(lines.map(|line| version(line).unwrap_or_default()), ["16.3", "17.2", "9.6.24", ""]);
}
