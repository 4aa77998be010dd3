//! `fio`: JSON and JSON+ (`--output-format=json`), the terse lines with semicolons of versions 2 to 5, and
//! the normal report.
//!
//! Messages stand before the JSON. Messages may also stand within the JSON, because they go to the same file
//! (axboe/fio #1685). Up to 2.x latencies are in µs (`lat`) and rates in KiB/s (`bw`). Since 3.0 latencies
//! are in ns (`lat_ns`), and `bw_bytes` gives B/s (`stat.c`: `add_ddir_status_json`,
//! `show_thread_status_terse_all`).

mod figures;
mod job;
mod json;
mod normal;
mod terse;

use crate::tools::{Tool, sound::sound};
use crate::{Decoded, Metric};
use std::collections::BTreeMap;

/// fio.
pub static FIO: Tool = Tool {
    name: "fio",
    summary: "JSON, JSON+, terse lines and the normal report, a run for each job",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    head.contains("\"fio version\"")
        || head.lines().any(|line| terse::is_line(line) || normal::defines(line) || normal::begins(line))
}

fn decode(text: &str) -> Decoded {
    let mut found = json::decode(text);
    let in_json = !found.runs.is_empty();
    let is_terse = text.lines().any(terse::is_line);
    if in_json {
        let beside = |line: &str| terse::is_line(line) || normal::begins(line);
        let at = text.lines().position(beside);
        let words = "terse lines and reports next to JSON contain the same results and are not read";
        found.warnings.extend(at.map(|at| format!("line {}: {words}", at + 1)));
    } else if is_terse {
        found = terse::decode(text);
    } else {
        found = normal::decode(text);
    }
    let messages = text.lines().enumerate().filter(|(_, line)| is_message(line)).take(MOST_MESSAGES);
    found.warnings.extend(messages.map(|(at, line)| format!("line {}: {}", at + 1, line.trim_end())));
    sound(found)
}

/// The number of messages that are kept. A failing disk causes one for each request.
const MOST_MESSAGES: usize = 20;

/// Whether this line is a message of fio. Documents of fio contain no such line.
fn is_message(line: &str) -> bool {
    line.starts_with("fio: ")
}

/// The message when fio is stopped. The report after it covers only a part of the work.
const SIGNAL: &str = "fio: terminating on signal";

/// The text for each error number, from messages such as `fio: pid=1, err=28/file:io_u.c:1, func=io_u error,
/// error=No space left`.
fn error_words(text: &str) -> BTreeMap<i64, &str> {
    let told = text.lines().filter(|line| is_message(line)).filter_map(|line| {
        let (_, rest) = line.split_once("err=")?;
        let (number, rest) = rest.split_once('/')?;
        Some((number.parse().ok()?, rest.split_once(", error=")?.1.trim()))
    });
    told.collect()
}

/// The reason why a job ended with this error, with the text of the message if there is one.
fn failed(words: &BTreeMap<i64, &str>, error: i64) -> String {
    match words.get(&error) {
        Some(words) => format!("the job ended with error {error}: {words}"),
        None => format!("the job ended with error {error}"),
    }
}

/// Times of one kind of request, in seconds.
#[derive(Default)]
struct Latency {
    min: Option<f64>,
    mean: Option<f64>,
    max: Option<f64>,
    stddev: Option<f64>,
}

impl Latency {
    /// Whether the values can describe the same requests: the mean is between minimum and maximum. These two
    /// may be rounded down to µs.
    fn fits(&self, resolution: f64) -> bool {
        match (self.min, self.mean, self.max) {
            (Some(min), Some(mean), Some(max)) => min <= mean + resolution && mean <= max + resolution,
            _ => true,
        }
    }

    /// The values that exist. fio prints 0 for times below its resolution; these are left out.
    fn metrics(&self, kind: &str) -> Vec<Metric> {
        let all = [("min", self.min), ("mean", self.mean), ("max", self.max), ("stddev", self.stddev)];
        let there =
            all.into_iter().filter_map(|(name, value)| Some((name, value.filter(|&value| value > 0.0)?)));
        there.map(|(name, value)| Metric::lower(format!("{kind}_latency_{name}"), "s", value)).collect()
    }
}

/// The name of a percentile, for example `p99`. fio prints many percentiles; only those that have a name in
/// Isotare are used.
fn percentile_name(percent: f64) -> Option<&'static str> {
    let names = [(50.0, "p50"), (95.0, "p95"), (99.0, "p99"), (99.9, "p999")];
    names.into_iter().find(|(known, _)| (known - percent).abs() < 1e-6).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Status;

    const READ: &str = r#""read" : {"total_ios" : 10, "iops" : 10.0, "runtime" : 1000, "bw_bytes" : 40960,
      "lat_ns" : {"min" : 1000, "max" : 3000, "mean" : 2000.0, "stddev" : nan}}"#;

    fn report(jobs: &str) -> String {
        format!("{{\n  \"fio version\" : \"fio-3.33\",\n  \"jobs\" : [\n{jobs}\n  ]\n}}\n")
    }

    fn check(text: &str, expect: &[(Status, usize)]) {
        let found = decode(text);
        let runs: Vec<_> = found.runs.iter().map(|run| (run.status, run.metrics.len())).collect();
        assert_eq!(runs, expect, "{text}: {:?}", found.runs);
    }

    #[test]
    fn a_message_within_a_document_is_reported_and_hides_nothing() {
        let text =
            report(&format!("    {{\"jobname\" : \"a\",\nfio: native_fallocate call failed\n {READ}}}"));
        check(&text, &[(Status::Complete, 5)]);
        assert_eq!(decode(&text).warnings, ["line 5: fio: native_fallocate call failed"]);
    }

    #[test]
    fn errors_that_did_not_stop_the_job_are_counted() {
        let job = format!("    {{\"jobname\" : \"a\", \"error\" : 0, \"total_err\" : 3, {READ}}}");
        check(&report(&job), &[(Status::Complete, 6)]);
        check(&report(&job.replace("\"error\" : 0", "\"error\" : 5")), &[(Status::Incomplete, 0)]);
    }

    #[test]
    fn a_job_that_did_nothing_or_contradicts_itself_has_no_numbers() {
        // A run without numbers becomes unreadable later, when the file is read.
        check(&report("    {\"jobname\" : \"a\", \"usr_cpu\" : 0.0}"), &[(Status::Complete, 0)]);
        let job = format!("    {{\"jobname\" : \"a\", {READ}}}");
        check(&report(&job.replace("\"iops\" : 10.0", "\"iops\" : 99.0")), &[(Status::Unreadable, 0)]);
        check(&report(&job.replace("2000.0", "9000.0")), &[(Status::Unreadable, 0)]);
        check(&report(&job.replace("40960", "\"x\"")), &[(Status::Unreadable, 0)]);
        check(&report(""), &[(Status::Unreadable, 0)]);
    }

    #[test]
    fn a_terse_line_is_read_only_if_its_fields_are_in_their_places() {
        let percentiles = ["1.000000%=1"; 20].join(";");
        let part = format!("4;4;1;1000;0;0;0.0;0.0;1;3;2.0;0.5;{percentiles};1;3;2.0;0.5;0;0;0.0%;0.0;0.0");
        let behind = ["0"; 34].join(";");
        let line = format!("3;fio-3.1;a;0;0;{part};{part};{behind}\n");
        check(&line, &[(Status::Complete, 12)]);
        check(line.trim_end(), &[(Status::Incomplete, 0)]);
        check(&line.replacen(";4;4;", ";4;", 1), &[(Status::Incomplete, 0)]);
        check(&line.replacen(";4;4;", ";4;4;4;", 1), &[(Status::Unreadable, 0)]);
        check(&line.replacen("a;0;0;", "a;0;28;", 1), &[(Status::Incomplete, 0)]);
        check(&format!("fio: terminating on signal 15\n{line}"), &[(Status::Incomplete, 0)]);
    }
}
