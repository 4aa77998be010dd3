//! The lines of one run. They are identified by their keys.

use super::figures::{Figures, Time};
use super::numbers::{before_slash, first, in_brackets, iops, mib, rank, seconds};
use super::{MIXED, Run};
use std::collections::BTreeMap;

/// The content of one run that was read so far.
pub struct Block<'a> {
    pub line: usize,
    /// Whether its first lines were read. Without them, its report may belong to any run.
    pub has_beginning: bool,
    /// Whether the last line of the report was read.
    pub has_ended: bool,
    is_run: bool,
    /// Whether its lines are from `prepare`, `cleanup` or `help`, which are steps around a run.
    pub is_aside: bool,
    has_twice: bool,
    /// Whether a value is not a number in sysbench's format.
    is_odd: bool,
    fatal: Option<&'a str>,
    /// The message about arguments that sysbench refused. In this case it does not run.
    pub refusal: Option<&'a str>,
    headings: u32,
    pub section: Section,
    pub labels: BTreeMap<&'static str, &'a str>,
    pub figures: Figures,
    /// With `--report-checkpoints` a run has several reports, each for the time since the one before. This is
    /// the number of the report, from 1.
    pub part: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Section {
    Options,
    Memory,
    Cpu,
    Queries,
    Files,
    Throughput,
    General,
    Latency,
    Fairness,
    Other,
}

/// The number and the section of a heading. Each heading occurs once in a report. Headings for the same thing
/// in different versions have the same number.
fn heading(line: &str) -> Option<(u32, Section)> {
    let (number, section) = match line.trim() {
        "CPU speed:" => (0, Section::Cpu),
        "SQL statistics:" | "OLTP test statistics:" => (1, Section::Queries),
        "File operations:" => (2, Section::Files),
        "Throughput:" => (3, Section::Throughput),
        "General statistics:" | "Test execution summary:" => (4, Section::General),
        "Latency (ms):" | "response time:" | "per-request statistics:" => (5, Section::Latency),
        "Threads fairness:" => (6, Section::Fairness),
        "Latency histogram (values are in milliseconds)" => (7, Section::Other),
        _ => return None,
    };
    Some((1 << number, section))
}

/// The headings that belong to a particular test.
const SPECIAL: u32 = 0b111;

/// Whether this line begins a part of a report.
pub fn is_heading(line: &str) -> bool {
    heading(line).is_some()
}

impl<'a> Block<'a> {
    pub fn new(line: usize, has_beginning: bool) -> Self {
        Self {
            line,
            has_beginning,
            has_ended: false,
            is_run: false,
            is_aside: false,
            has_twice: false,
            is_odd: false,
            fatal: None,
            refusal: None,
            headings: 0,
            section: Section::Options,
            labels: BTreeMap::new(),
            figures: Figures::default(),
            part: None,
        }
    }

    /// Handles the line after which the options of a run follow.
    pub fn begin(&mut self) {
        self.has_twice |= self.is_run;
        self.is_run = true;
    }

    /// Whether a part of a report was read.
    pub fn has_report(&self) -> bool {
        self.headings != 0
    }

    /// Whether everything before the report was read, but nothing of the report.
    pub fn is_head(&self) -> bool {
        let is_over = self.fatal.is_some() || self.refusal.is_some() || self.part.is_some() || self.has_twice;
        self.has_beginning && self.is_run && self.headings == 0 && !is_over
    }

    /// Whether it is a complete report without the lines before it.
    pub fn is_bare(&self) -> bool {
        !self.has_beginning && self.has_ended
    }

    /// Whether it was run with the same options as `head`.
    pub fn is_like(&self, head: &Self) -> bool {
        let of_options = |(name, value): (&&'static str, &&'a str)| self.labels.get(*name) == Some(value);
        self.figures.threads == head.figures.threads
            && self.figures.has_queue == head.figures.has_queue
            && head.labels.iter().all(of_options)
    }

    /// Uses the lines of a head with the same options as the lines before this report.
    pub fn adopt(&mut self, head: Self) {
        (self.has_beginning, self.is_run) = (true, true);
        (self.figures.threads, self.figures.has_queue) = (head.figures.threads, head.figures.has_queue);
        for (name, value) in head.labels {
            self.label(name, value);
        }
    }

    /// The next report of the same run, if the run has several reports.
    pub fn next_part(&self, line: usize) -> Option<Self> {
        let part = self.part?;
        let mut next = Self::new(line, self.has_beginning);
        (next.is_run, next.labels, next.part) = (true, self.labels.clone(), Some(part + 1));
        (next.figures.threads, next.figures.has_queue) = (self.figures.threads, self.figures.has_queue);
        Some(next)
    }

    pub fn take(&mut self, line: &'a str) {
        let text = line.trim();
        if text.starts_with('[') || text.is_empty() {
            return;
        }
        if let Some((bit, section)) = heading(line) {
            self.has_twice |= self.headings & bit != 0;
            self.headings |= bit;
            self.section = section;
            if section == Section::Queries {
                self.label("test", "oltp");
            }
        } else if line.starts_with("FATAL:") {
            self.fatal.get_or_insert(text);
        } else {
            match text.split_once(':') {
                Some((key, value)) => self.field(key.trim_end(), value.trim()),
                None => self.sentence(text),
            }
        }
    }

    pub fn label(&mut self, name: &'static str, value: &'a str) {
        self.labels.entry(name).or_insert(value);
    }

    pub fn put(&mut self, value: Option<f64>, slot: fn(&mut Figures) -> &mut Option<f64>) {
        self.is_odd |= value.is_none();
        let slot = slot(&mut self.figures);
        self.has_twice |= slot.is_some();
        *slot = slot.or(value);
    }

    pub fn figure(&mut self, key: &str, value: &str) {
        match (self.section, key) {
            (Section::Cpu, "events per second") => self.put(first(value), |figures| &mut figures.rate),
            (Section::Queries, "transactions") => {
                self.put(in_brackets(value), |figures| &mut figures.transactions)
            }
            (Section::Queries, "queries") => self.put(in_brackets(value), |figures| &mut figures.queries),
            (Section::Queries, "ignored errors") => self.put(first(value), |figures| &mut figures.errors),
            (Section::Queries, "deadlocks") => self.put(first(value), |figures| &mut figures.deadlocks),
            (Section::Queries, "reconnects") => self.put(first(value), |figures| &mut figures.reconnects),
            (Section::Files, "reads/s") => self.put(first(value), |figures| &mut figures.reads),
            (Section::Files, "writes/s") => self.put(first(value), |figures| &mut figures.writes),
            (Section::Files, "fsyncs/s") => self.put(first(value), |figures| &mut figures.fsyncs),
            (Section::Throughput, "read, MiB/s") => self.put(first(value), |figures| &mut figures.read_mib),
            (Section::Throughput, "written, MiB/s") => {
                self.put(first(value), |figures| &mut figures.written_mib);
            }
            (Section::Throughput, "read") => {
                self.put(iops(value), |figures| &mut figures.reads);
                self.put(mib(value), |figures| &mut figures.read_mib);
            }
            (Section::Throughput, "write") => {
                self.put(iops(value), |figures| &mut figures.writes);
                self.put(mib(value), |figures| &mut figures.written_mib);
            }
            (Section::Throughput, "fsync") => {
                self.put(iops(value), |figures| &mut figures.fsyncs);
                self.figures.is_short = true;
            }
            // The rate that the test itself prints is the same.
            (Section::Throughput, "events/s (eps)") => {
                self.is_odd |= first(value).is_none();
                self.figures.rate = self.figures.rate.or_else(|| first(value));
            }
            (_, "total time" | "time elapsed") => self.put(seconds(value), |figures| &mut figures.total_time),
            (_, "total number of events") => self.put(first(value), |figures| &mut figures.events),
            (_, "total time taken by event execution") => {
                self.put(seconds(value), |figures| &mut figures.sum)
            }
            (Section::Latency, _) => self.latency(key, value),
            (Section::Fairness, "events (avg/stddev)") => {
                self.put(before_slash(value), |figures| &mut figures.events_per_thread);
            }
            (Section::Fairness, "execution time (avg/stddev)") => {
                self.put(before_slash(value), |figures| &mut figures.time_per_thread);
                self.has_ended = before_slash(value).is_some();
            }
            _ => {}
        }
    }

    fn latency(&mut self, key: &str, value: &str) {
        let time = Time::read(value);
        let put = |slot: &mut Option<Time>| {
            let was_there = slot.is_some();
            *slot = slot.or(time);
            was_there
        };
        let latency = &mut self.figures.latency;
        let was_there = match key {
            "min" => put(&mut latency.min),
            "avg" => put(&mut latency.mean),
            "max" => put(&mut latency.max),
            "sum" => {
                self.put(time.map(|time| time.seconds), |figures| &mut figures.sum);
                self.has_ended |= self.figures.is_short
                    && value.split_once('.').is_some_and(|(_, digits)| digits.len() > 1);
                return;
            }
            _ => match rank(key) {
                Some(rank) => {
                    self.figures.rank = rank;
                    put(&mut latency.percentile)
                }
                None => false,
            },
        };
        self.has_twice |= was_there;
    }

    /// The run; `None`: these lines are not a run.
    pub fn into_run(mut self) -> Option<Run> {
        let why = self.fatal.or(self.refusal.filter(|_| !self.is_run));
        let is_later_part = self.part.is_some_and(|part| part > 1);
        if self.headings == 0 && why.is_none() && (is_later_part || self.is_aside && !self.is_run) {
            return None;
        }
        let at = self.line;
        if self.figures.events.is_some()
            && self.figures.events == self.figures.threads
            && self.headings & SPECIAL == 0
        {
            self.label("test", "mutex");
        }
        let run = if let Some(why) = why {
            Run::unreadable(at, why)
        } else if self.has_twice {
            Run::incomplete(at, MIXED)
        } else if !self.has_beginning {
            Run::incomplete(at, "its first lines are missing")
        } else if let Some(key) = self.figures.missing().or((!self.has_ended).then_some("execution time")) {
            Run::incomplete(at, format!("it is incomplete: '{key}' is missing"))
        } else if self.is_odd {
            Run::unreadable(at, "one of its values is not a number in sysbench's format")
        } else if let Some(why) =
            self.figures.contradiction(self.labels.get("test").copied(), self.part.is_some())
        {
            Run::unreadable(at, why)
        } else {
            Run::complete(at, self.figures.metrics(self.part.is_some()))
        };
        let labels = self.labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let part = self.part.map(|part| ("part".to_owned(), part.to_string()));
        Some(Run { labels: labels.chain(part).collect(), ..run })
    }
}
