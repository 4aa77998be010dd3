//! fio's normal report, for people. Its numbers are rounded to three or four digits, except the number of
//! requests and their duration.
//!
//! First come the definitions of the jobs (`seq: (g=0): rw=read, …`). Then comes a block for each job, from
//! its header (`seq: (groupid=0, jobs=1): err= 0: …`) to its target (`latency : target=0, …`). Then comes a
//! block for each group (`Run status group 0`), with a line for each direction. The numbers of a job are used
//! only if the block of its group follows. A group of several jobs is a separate run (label `group`).

use super::figures::{after, milliseconds, of_group};
use super::job::Job;
use super::{SIGNAL, error_words};
use crate::tools::report::{Fault, run, whole_lines};
use crate::{Decoded, Metric, Run};
use std::collections::{BTreeMap, BTreeSet};

/// A report: everything that one fio printed at one time.
#[derive(Default)]
struct Report<'a> {
    line: usize,
    /// Whether the version is before it. If so, it is not a later report of the same fio
    /// (`--status-interval`).
    is_first: bool,
    /// The definition of each job, by the name of the job.
    definitions: BTreeMap<&'a str, &'a str>,
    jobs: Vec<Job<'a>>,
    groups: BTreeMap<&'a str, Group>,
    signal: Option<&'a str>,
}

#[derive(Default)]
pub(super) struct Group {
    /// For each direction: throughput in B/s, and the shortest and longest time in ms.
    pub rates: BTreeMap<String, (f64, (f64, f64))>,
    /// Whether a line occurs twice.
    pub is_doubled: bool,
}

/// Whether this line defines a job. Such lines also stand before JSON.
pub(super) fn defines(line: &str) -> bool {
    definition(line).is_some()
}

/// Whether this line begins the block of a job.
pub(super) fn begins(line: &str) -> bool {
    Job::new(1, line).is_some()
}

/// The name and the rest of `seq: (g=0): rw=read, bs=…, ioengine=psync, iodepth=1`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(": (g=")?;
    let (_, rest) = rest.split_once("): ")?;
    (rest.starts_with("rw=") && rest.contains(", ioengine=")).then_some((name, rest))
}

/// The version, if the line is like `fio-3.33`.
fn banner(line: &str) -> Option<&str> {
    line.strip_prefix("fio-")
        .filter(|version| version.starts_with(|first: char| first.is_ascii_digit()) && !version.contains(' '))
}

pub(super) fn decode(text: &str) -> Decoded {
    let words = error_words(text);
    let version = text.lines().find_map(banner).map(str::to_owned);
    let reports = reports(text);
    let mut runs = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        let early = reports.get(at + 1).is_some_and(|next| next.continues(report));
        runs.extend(report.runs(&words, early));
    }
    Decoded { version, runs, ..Decoded::default() }
}

fn reports(text: &str) -> Vec<Report<'_>> {
    let mut found: Vec<Report<'_>> = Vec::new();
    let mut group = None;
    let mut signal = None;
    for (number, whole) in whole_lines(text) {
        let line = whole.trim();
        let job = Job::new(number, whole);
        let begins = banner(whole).is_some() || definition(whole).is_some();
        let is_new = match found.last() {
            None => begins || job.is_some(),
            Some(last) if begins => !last.jobs.is_empty() || !last.groups.is_empty(),
            Some(last) => job.is_some() && !last.groups.is_empty(),
        };
        if is_new {
            // A later report of the same fio (`--status-interval`) has the same definitions of jobs. If fio
            // was stopped by a signal, the message about it belongs to this last report.
            let before = found.last().filter(|_| !begins);
            let definitions = before.map(|before| before.definitions.clone()).unwrap_or_default();
            let signal = signal.take().filter(|_| !begins);
            found.push(Report { line: number, is_first: begins, definitions, signal, ..Report::default() });
            group = None;
        }
        let Some(report) = found.last_mut() else { continue };
        if let Some(job) = job {
            report.jobs.push(job);
        } else if let Some((name, rest)) = definition(whole) {
            report.definitions.insert(name, rest);
        } else if whole.starts_with(SIGNAL) && !report.groups.is_empty() {
            signal = Some(line);
        } else if whole.starts_with(SIGNAL) {
            report.signal = Some(line);
        } else if let Some(name) =
            line.strip_prefix("Run status group ").and_then(|rest| rest.split(' ').next())
        {
            let is_doubled = report.groups.contains_key(name);
            report.groups.entry(name).or_default().is_doubled |= is_doubled;
            group = Some(name);
        } else if let Some(group) = group.and_then(|name| report.groups.get_mut(name)) {
            group.take(line);
        } else if let Some(job) = report.jobs.last_mut() {
            job.take(number, line);
        }
    }
    found
}

impl Group {
    /// Reads `READ: bw=333MiB/s (350MB/s), 333MiB/s-333MiB/s (350MB/s-350MB/s), io=8192KiB (8389kB),
    /// run=24-24msec`.
    fn take(&mut self, line: &str) {
        let Some((kind, rest)) = line.split_once(": ") else { return };
        let took = || match after(rest, " run=") {
            Some(both) => milliseconds(both),
            None => Some((milliseconds(after(rest, " mint=")?)?.0, milliseconds(after(rest, " maxt=")?)?.0)),
        };
        if let Some((rate, took)) = of_group(rest).zip(took()) {
            self.is_doubled |= self.rates.insert(kind.to_ascii_lowercase(), (rate, took)).is_some();
        }
    }
}

impl<'a> Report<'a> {
    /// Whether this is a later report of the same run (`--status-interval`).
    fn continues(&self, earlier: &Self) -> bool {
        let key = |report: &Self| report.jobs.iter().map(|job| (job.name, job.pid)).collect::<Vec<_>>();
        !self.is_first && !self.jobs.is_empty() && key(self) == key(earlier)
    }

    fn runs(&self, words: &BTreeMap<i64, &str>, early: bool) -> Vec<Run> {
        if self.jobs.is_empty() {
            return vec![Run::incomplete(
                self.line,
                self.signal.unwrap_or("it contains no results of a job"),
            )];
        }
        let stopped = match (self.signal, early) {
            (Some(words), _) => Some(words),
            (None, true) => Some("it is an intermediate report (--status-interval)"),
            (None, false) => None,
        };
        let mut seen = BTreeMap::<&str, usize>::new();
        let clones: BTreeSet<&str> = {
            let mut names = BTreeSet::new();
            self.jobs.iter().map(|job| job.name).filter(|&name| !names.insert(name)).collect()
        };
        let mut runs = Vec::new();
        for job in &self.jobs {
            let found =
                stopped.map_or_else(|| job.metrics(words, &self.groups), |why| Err(Fault::incomplete(why)));
            let mut run = run(job.line, job.labels(self.definitions.get(job.name)), found);
            if clones.contains(job.name) {
                let clone = seen.entry(job.name).or_default();
                *clone += 1;
                run = run.with("clone", clone.to_string());
            }
            runs.push(run);
        }
        let complete: Vec<bool> = runs.iter().map(|run| run.status == crate::Status::Complete).collect();
        for (name, group) in &self.groups {
            let of_group = || self.jobs.iter().zip(&complete).filter(|(job, _)| job.group == *name);
            if of_group().count() > 1 && of_group().all(|(_, complete)| *complete) {
                let rate = |(kind, (rate, _)): (&String, &(f64, (f64, f64)))| {
                    Metric::higher(format!("{kind}_throughput"), "B/s", *rate)
                };
                let line = of_group().next().map_or(self.line, |(job, _)| job.line);
                runs.push(Run::complete(line, group.rates.iter().map(rate).collect()).with("group", *name));
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Status::{self, Complete, Incomplete, Unreadable};

    const JOB: &str = "a: (groupid=0, jobs=1): err= 0: pid=1: Sat Nov 28 10:30:35 2026\n\
        \x20 read: IOPS=20, BW=80.0KiB/s (81.9kB/s)(40.0KiB/500msec)\n\
        \x20   clat (usec): min=1, max=9, avg= 5.00, stdev= 1.00\n\
        \x20 cpu          : usr=0.00%, sys=1.00%, ctx=6, majf=0, minf=17\n\
        \x20    issued rwts: total=10,0,0,0 short=0,0,0,0 dropped=0,0,0,0\n\
        \x20    latency   : target=0, window=0, percentile=100.00%, depth=1\n";
    const GROUP: &str = "\nRun status group 0 (all jobs):\n   READ: bw=80.0KiB/s (81.9kB/s), 80.0KiB/s-80.0KiB/s \
        (81.9kB/s-81.9kB/s), io=40.0KiB (41.0kB), run=500-500msec\n";

    fn check(text: &str, expect: &[Status]) {
        assert_eq!(decode(text).runs.iter().map(|run| run.status).collect::<Vec<_>>(), expect, "{text}");
    }

    #[test]
    fn a_report_is_read_only_if_its_lines_belong_together() {
        check(&format!("{JOB}{GROUP}"), &[Complete]);
        check(JOB, &[Incomplete]);
        check(&format!("{JOB}{GROUP}").replace("500-500", "400-400"), &[Incomplete]);
        check(&format!("{JOB}{GROUP}").replace("IOPS=20", "IOPS=30"), &[Unreadable]);
        check(&format!("{JOB}{GROUP}").replace("total=10,0", "total=10,5"), &[Unreadable]);
        check(&format!("{JOB}{GROUP}").replace("min=1, max=9", "min=7, max=9"), &[Unreadable]);
        let (head, rest) = JOB.split_once('\n').unwrap_or_default();
        let lines: String = rest.lines().map(|line| format!("{line}\n{line}\n")).collect();
        check(&format!("{head}\n{head}\n{lines}{GROUP}{GROUP}"), &[Incomplete, Incomplete]);
    }

    #[test]
    fn a_signal_after_a_report_belongs_to_the_next_report() {
        let report = format!("{JOB}{GROUP}");
        check(&format!("{report}fio: terminating on signal 2\n{report}"), &[Incomplete, Incomplete]);
        check(&format!("{report}fio: terminating on signal 2\nfio-3.33\n{report}"), &[Complete, Complete]);
    }

    #[test]
    fn each_report_has_its_own_definitions() {
        let of =
            |rw| format!("a: (g=0): rw={rw}, bs=4K-4K/4K-4K/4K-4K, ioengine=psync, iodepth=1\n{JOB}{GROUP}");
        let found = decode(&format!("{}{}", of("read"), of("randread"))).runs;
        let labels: Vec<_> =
            found.iter().filter_map(|run| run.labels.get("rw").map(String::as_str)).collect();
        assert_eq!(labels, ["read", "randread"]);
    }

    #[test]
    fn a_group_of_several_jobs_is_a_separate_run() {
        check(&format!("{JOB}{JOB}{GROUP}"), &[Complete; 3]);
        let failed = JOB.replace("err= 0:", "err=28 (file:io_u.c:1876, func=io_u error, error=No space):");
        check(&format!("{JOB}{failed}{GROUP}"), &[Complete, Incomplete]);
    }
}
