//! `pidstat` of sysstat: the resources that each process used. Each report has a table for each group of
//! columns that was asked for.
//!
//! A run is one process (`pid`, `command`) of one invocation, or with `-t` one thread (`tid`). Its numbers
//! are the means of the columns. `UID`, `CPU` (the CPU of the task) and `policy` are not measurements. -1.00
//! means that I/O could not be read (pidstat.c, `write_pid_io_stats`).
//!
//! Differences between versions:
//! - 10.x prints seconds since 1970 with `-h`. Later versions print a time of day, unless `-H` is given.
//! - `USER` in place of `UID` with `-U`; `%wait` since 11.7; `iodelay` since 11.1; `threads`, `fd-nr`,
//!   `prio`, `policy` since 10.1.
//! - There are no lines with averages with `-h`, or if pidstat is killed. Idle processes have no row unless
//!   `-p` names them.
//! - JSON since 12.7.7 (`-o JSON`).

use super::series::json::{self, Shape};
use super::series::layout::Part;
use super::series::timed::{self, Style};
use crate::Decoded;
use crate::tools::Tool;

/// pidstat.
pub static PIDSTAT: Tool = Tool {
    name: "pidstat",
    summary: "means of each process over the reports, from text in any set of columns and JSON",
    recognises,
    decode,
};

static STYLE: Style = Style { header: is_header, part, remark: |_| None, signed: false };

static SHAPE: Shape = Shape {
    sections: &[
        "task-cpu-load",
        "child-cpu-load",
        "task-memory",
        "child-memory",
        "stack",
        "context-switch",
        "realtime",
    ],
    name,
    ids: &[("TID", "tid"), ("TGID", "pid"), ("PID", "pid")],
    also: Some(("cmd", "command")),
    of: Some(("TGID", "pid")),
    whole: None,
    first_is_since_boot: false,
    signed: false,
};

fn recognises(head: &str) -> bool {
    head.lines().any(|line| timed::has_header(line, is_header)) || json::is_of(head, &SHAPE)
}

fn decode(text: &str) -> Decoded {
    match json::is_in(text) {
        true => json::decode(text, &SHAPE),
        false => timed::decode(text, &STYLE),
    }
}

/// Whether these are the columns of pidstat: `UID PID … Command` or `UID TGID TID … Command`.
fn is_header(names: &str) -> bool {
    names.trim_ascii_end().ends_with(" Command") && {
        let mut words = names.split_ascii_whitespace().take(3);
        words.any(|word| matches!(word, "PID" | "TGID" | "TID"))
    }
}

fn part(name: &str, at: usize, columns: usize) -> Part {
    match name {
        "PID" | "TGID" => Part::Id("pid"),
        "TID" => Part::Id("tid"),
        "UID" | "USER" | "CPU" | "policy" => Part::Drop,
        "Command" if at + 1 == columns => Part::Also("command"),
        _ => Part::Value,
    }
}

/// The column in the text for a key of the JSON.
fn name(_: &str, key: &str) -> Option<String> {
    match key {
        "cpu_nr" => None,
        "cpu" => Some("%CPU".to_owned()),
        "usr" | "system" | "guest" | "wait" | "MEM" => Some(format!("%{key}")),
        _ => Some(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Run, Status};

    const BANNER: &str = "Linux 6.1.0 (host) \t01/02/24 \t_x86_64_\t(2 CPU)\n";

    fn numbers(run: &Run) -> Vec<(&str, f64)> {
        run.metrics.iter().map(|metric| (metric.name.as_ref(), metric.value)).collect()
    }

    /// Reports of pid 1, each with its time and its `%usr`.
    fn text(begin: &str, reports: &[(&str, &str)]) -> String {
        let (mut since, mut text) = (begin, BANNER.to_owned());
        for (time, usr) in reports {
            text += &format!(
                "\n{since}   UID       PID    %usr  Command\n{time}     0         1    {usr}  a b\n"
            );
            since = time;
        }
        text
    }

    fn check(text: &str, expect: Result<&[(&str, f64)], &str>) {
        let found = decode(text);
        let run = found.runs.first().expect("a run");
        match expect {
            Ok(expect) => {
                assert_eq!((run.status, numbers(run).as_slice()), (Status::Complete, expect), "{text}")
            }
            Err(why) => {
                assert!(found.runs.iter().all(|run| run.status == Status::Incomplete), "{text}");
                assert!(run.reason.as_deref().is_some_and(|reason| reason.contains(why)), "{:?}", run.reason);
            }
        }
    }

    #[test]
    fn means_work_over_midnight_and_have_weights_only_if_intervals_differ() {
        let even = text("23:59:58", &[("23:59:59", "1.00"), ("00:00:01", "2.00"), ("00:00:02", "3.00")]);
        check(&even, Ok(&[("%usr", 2.0), ("rows", 3.0)]));
        let uneven = text("11:59:50 PM", &[("12:00:00 AM", "1.00"), ("12:00:30 AM", "5.00")]);
        check(&uneven, Ok(&[("%usr", 4.0), ("rows", 2.0)]));
    }

    #[test]
    fn reports_that_overlap_in_time_are_mixed() {
        let mixed = text("10:00:00", &[("10:00:10", "1.00")]) + &text("10:00:05", &[("10:00:15", "2.00")]);
        let without_second_banner = mixed.replace(&format!("\n{BANNER}"), "\n");
        check(&without_second_banner, Err("does not follow"));
        check(
            &text("10:00:00", &[("10:00:10", "1.00")])
                .replace("a b\n", "a b\n10:00:10     0         1    1.00  a b\n"),
            Err("twice"),
        );
    }

    #[test]
    fn reports_without_rows_are_accepted() {
        let text = format!(
            "{BANNER}\n10:00:00   UID       PID    %usr  Command\n\n10:00:01   UID       PID    %usr  Command\n\
             \n10:00:02   UID       PID    %usr  Command\n10:00:03     0         1    3.00  a\n"
        );
        check(&text, Ok(&[("%usr", 3.0), ("rows", 1.0)]));
        check(BANNER, Err("no row"));
    }

    #[test]
    fn a_value_that_could_not_be_read_is_left_out() {
        let text = text("10:00:00", &[("10:00:01", "-1.00")]);
        let found = decode(&text.replace("%usr", "kB_rd/s"));
        assert!(found.runs.iter().all(|run| run.metrics.is_empty()));
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let text = text("10:00:00", &[("10:00:01", "1.00"), ("10:00:02", "3.00"), ("10:00:03", "5.00")]);
        let found = decode(&text.replacen("a b", "c", 1));
        let commands: Vec<_> =
            found.runs.iter().map(|run| (run.labels["command"].as_str(), numbers(run)[0].1)).collect();
        assert_eq!(commands, [("c", 1.0), ("a b", 4.0)]);
    }

    #[test]
    fn averages_that_disagree_with_their_rows_cause_a_warning() {
        let rows = text("10:00:00", &[("10:00:01", "1.00"), ("10:00:02", "3.00")]);
        let with = |average: &str| {
            decode(&format!("{rows}Average:     0         1    {average}  a b\n")).warnings.len()
        };
        assert_eq!((with("2.01"), with("2.50")), (0, 1));
    }

    /// From a bug report: with `-h`, the rows of one report may have two different times. Its processes were
    /// then reported as missing in some reports.
    #[test]
    fn the_rows_of_a_report_may_have_two_different_times() {
        let header = "\n#      Time   UID       PID    %usr %system  %guest    %CPU   CPU  Command\n";
        let row = |time: u64, pid: u32, usr: f64| {
            format!(" {time}     0         {pid}    {usr:.2}    0.00    0.00    {usr:.2}     6  a\n")
        };
        let first = header.to_owned() + &row(1_448_481_504, 1, 1.0) + &row(1_448_481_504, 2, 2.0);
        let second = header.to_owned() + &row(1_448_481_564, 1, 3.0) + &row(1_448_481_565, 2, 4.0);
        let third = header.to_owned() + &row(1_448_481_624, 1, 5.0) + &row(1_448_481_625, 2, 9.0);
        let found = decode(&format!("{BANNER}{first}{second}{third}"));
        let values: Vec<_> = found.runs.iter().map(|run| (run.status, numbers(run)[0].1)).collect();
        assert_eq!(values, [(Status::Complete, 3.0), (Status::Complete, 5.0)]);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        // Rows with one process in each second and only one header are separate reports.
        let single: String = (0..4).map(|at| row(1_448_481_504 + at, 1, 1.0)).collect();
        check(
            &format!("{BANNER}{header}{single}"),
            Ok(&[("%usr", 1.0), ("%system", 0.0), ("%guest", 0.0), ("%CPU", 1.0), ("rows", 4.0)]),
        );
    }

    #[test]
    fn a_line_that_is_cut_makes_the_invocation_incomplete() {
        let whole = text("10:00:00", &[("10:00:01", "1.00"), ("10:00:02", "3.00")]);
        check(whole.trim_end(), Err("middle of a line"));
        // The text after a cut may begin within the line that was cut.
        let rejoined = format!("{}{whole}", whole.trim_end_matches("1    3.00  a b\n"));
        let found = decode(&rejoined);
        assert_eq!(
            found.runs.iter().map(|run| run.status).collect::<Vec<_>>(),
            [Status::Incomplete, Status::Complete]
        );
        // If its averages follow, the invocation is complete.
        check(&format!("{whole}Average:     0         1    2.00  a"), Err("middle of a line"));
        let averages = "Average:     0         1    2.00  a b\nAverage:     0  ";
        check(&format!("{whole}{averages}"), Ok(&[("%usr", 2.0), ("rows", 2.0)]));
    }
}
