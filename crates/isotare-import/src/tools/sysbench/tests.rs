//! Tests with texts that differ from all recorded outputs.

use super::*;
use crate::read;

/// A report as 1.0 prints it.
const REPORT: &str = "sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)\n\n\
    Running the test with following options:\nNumber of threads: 2\n\n\nPrime numbers limit: 10000\n\n\
    Threads started!\n\nCPU speed:\n    events per second:  2211.93\n\nGeneral statistics:\n    \
    total time:                          1.0080s\n    total number of events:              2232\n\n\
    Latency (ms):\n         min:                                    0.28\n         avg:                                    0.90\n         \
    max:                                   33.58\n         95th percentile:                        8.28\n         \
    sum:                                 2010.05\n\nThreads fairness:\n    events (avg/stddev):           1116.0000/11.00\n    \
    execution time (avg/stddev):   1.0050/0.00\n\n";

fn check(text: &str, expect: &[Result<f64, &str>]) {
    let runs = read("", text.as_bytes(), Some(&SYSBENCH)).runs;
    let found: Vec<Result<f64, String>> = runs
        .iter()
        .map(|run| match run.metrics.first() {
            Some(metric) if run.status == Status::Complete => Ok(metric.value),
            _ => Err(run.reason.clone().unwrap_or_default()),
        })
        .collect();
    let agrees = |(found, expect): (&Result<f64, String>, &Result<f64, &str>)| match (found, expect) {
        (Ok(found), Ok(expect)) => found == expect,
        (Err(found), Err(expect)) => found.contains(expect),
        _ => false,
    };
    assert!(found.len() == expect.len() && found.iter().zip(expect).all(agrees), "{found:?}\n{text}");
}

#[test]
fn figures_that_contradict_each_other_are_refused() {
    check(REPORT, &[Ok(2211.93)]);
    for (from, to, why) in [
        ("events:              2232", "events:              0", "did not complete an event"),
        ("events:              2232", "events:              1116", "contradict"),
        ("1.0080s", "0.0000s", "took 0 s"),
        ("1.0080s", "NaNs", "took NaN s"),
        ("Number of threads: 2", "Number of threads: 1", "contradict"),
        (" 0.90", " 99.0", "not possible"),
        ("2010.05", "4020.1", "not possible"),
        ("2211.93", "221.93", "contradict"),
        ("CPU speed:", "FATAL: no more", "FATAL: no more"),
        ("1.0050/0.00", "1.0050/0.0", "execution time"),
        ("Number of threads: 2", "", "Number of threads"),
    ] {
        assert!(REPORT.contains(from), "{from}");
        check(&REPORT.replace(from, to), &[Err(why)]);
    }
}

#[test]
fn mixed_runs_have_no_numbers() {
    let (first, second) = REPORT.split_at(REPORT.find("CPU speed").unwrap_or(0));
    check(&format!("{REPORT}{REPORT}"), &[Ok(2211.93), Ok(2211.93)]);
    // If options differ, it is not known which report belongs to which options.
    let other = first.replace("Number of threads: 2", "Number of threads: 3");
    check(&format!("{first}{other}{second}{second}"), &[Err("mixed"), Err("mixed")]);
    check(
        &format!("{first}{first}{second}{second}{second}"),
        &[Err("mixed"), Err("mixed"), Err("first lines")],
    );
    check(&format!("{first}{REPORT}"), &[Err("incomplete"), Ok(2211.93)]);
    check(&format!("{first}{second}{second}"), &[Ok(2211.93), Err("first lines")]);
    check(second, &[Err("first lines")]);
    let twice: String = REPORT.lines().flat_map(|line| [line, "\n", line, "\n"]).collect();
    assert!(read("", twice.as_bytes(), None).complete == 0);
}

/// From a bug report: a script started five runs at the same time, and nine runs were reported as incomplete.
#[test]
fn runs_that_were_started_together_are_counted_correctly() {
    let (first, second) = REPORT.split_at(REPORT.find("CPU speed").unwrap_or(0));
    for count in 2..6 {
        let text = first.repeat(count) + &second.repeat(count);
        check(&text, &vec![Ok(2211.93); count]);
        let found = read("", text.as_bytes(), None);
        assert!(
            found
                .warnings
                .iter()
                .any(|warning| warning.contains(&format!("{count} runs were started before")))
        );
        assert!(found.runs.iter().all(|run| run.labels == found.runs[0].labels));
        check(&format!("{REPORT}{text}{REPORT}"), &vec![Ok(2211.93); count + 2]);
        // One run was killed and has no report. It is not known which one.
        check(&(first.repeat(count + 1) + &second.repeat(count)), &vec![Err("mixed"); count + 1]);
    }
}

#[test]
fn a_report_without_first_lines_is_recognised() {
    let (_, report) = REPORT.split_at(REPORT.find("CPU speed").unwrap_or(0));
    let found = read("", report.as_bytes(), None);
    assert_eq!((found.tool, found.incomplete), (Some("sysbench"), 1), "{found:?}");
}

#[test]
fn prepare_cleanup_and_help_are_not_runs() {
    let header = "sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)\n\n";
    let prepare = format!("{header}Creating files for the test...\nCreating file test_file.0\n");
    check(&format!("{prepare}{REPORT}{header}Removing test files...\n"), &[Ok(2211.93)]);
    check(&format!("{header}FATAL: Cannot find benchmark 'x'\n"), &[Err("FATAL: Cannot find")]);
    check(header, &[Err("incomplete")]);
    check(&format!("{header}mutex options:\n  --mutex-num=N\n"), &[Err("contains no run")]);
    for text in [format!("{header}invalid option: --x\n"), format!("invalid option: --x\n{header}")] {
        check(&text, &[Err("invalid option: --x")]);
    }
}

#[test]
fn a_run_with_checkpoints_has_parts() {
    let (first, report) = REPORT.split_at(REPORT.find("CPU speed").unwrap_or(0));
    let options = first.replace("\n\n\nPrime", "\nReport checkpoint(s) at 1, 2 seconds\n\nPrime");
    let text =
        format!("{options}[ 1s ] Checkpoint report:\n{report}[ 2s ] Checkpoint report:\n{report}{report}");
    check(&text, &[Ok(2211.93), Ok(2211.93), Ok(2211.93)]);
    let runs = decode(&text).runs;
    assert_eq!(runs[2].labels.get("part").map(String::as_str), Some("3"));
    assert!(!runs[0].metrics.iter().any(|metric| metric.name == "total_time"));
}
