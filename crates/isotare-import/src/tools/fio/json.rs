//! fio's JSON documents.

use super::{Latency, SIGNAL, error_words, failed, is_message, percentile_name};
use crate::documents::runs_in;
use crate::{Decoded, Metric, Run};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

type Options = BTreeMap<String, Value>;

#[derive(Deserialize)]
struct Report {
    #[serde(rename = "fio version")]
    version: Option<String>,
    timestamp_ms: Option<f64>,
    #[serde(rename = "global options")]
    global: Option<Options>,
    jobs: Option<Vec<Job>>,
    /// With `--client`: the jobs of each host, and of all hosts together.
    client_stats: Option<Vec<Job>>,
}

#[derive(Deserialize)]
struct Job {
    jobname: Option<String>,
    hostname: Option<String>,
    error: Option<i64>,
    #[serde(rename = "job options")]
    options: Option<Options>,
    read: Option<Direction>,
    write: Option<Direction>,
    trim: Option<Direction>,
    mixed: Option<Direction>,
    sync: Option<Direction>,
    usr_cpu: Option<f64>,
    sys_cpu: Option<f64>,
    total_err: Option<f64>,
}

#[derive(Deserialize)]
struct Direction {
    /// Bytes; in KiB up to 2.x.
    io_bytes: Option<f64>,
    bw_bytes: Option<f64>,
    bw: Option<f64>,
    iops: Option<f64>,
    runtime: Option<f64>,
    total_ios: Option<f64>,
    lat_ns: Option<Times>,
    lat: Option<Times>,
    clat_ns: Option<Times>,
    clat: Option<Times>,
}

#[derive(Deserialize)]
struct Times {
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    stddev: Option<f64>,
    percentile: Option<BTreeMap<String, f64>>,
}

pub(super) fn decode(text: &str) -> Decoded {
    let mut version = None;
    let mut before: Option<(usize, Report)> = None;
    let mut early = BTreeSet::new();
    let words = error_words(text);
    let signals: Vec<(usize, &str)> =
        (1..).zip(text.lines()).filter(|(_, line)| line.starts_with(SIGNAL)).collect();
    let mut signals = signals.into_iter().peekable();
    let runs = runs_in(&without_messages(text), |line, value| {
        if value.get("fio version").is_none() {
            return Vec::new();
        }
        let mut signal = None;
        while let Some((_, message)) = signals.next_if(|(at, _)| *at < line) {
            signal = Some(message);
        }
        match serde_json::from_value::<Report>(value) {
            Err(error) => vec![Run::unreadable(line, format!("a field does not have fio's format: {error}"))],
            Ok(report) => {
                version = version.take().or_else(|| report.version.clone());
                let runs = runs(&words, line, &report, signal);
                if let Some((begin, earlier)) = before.replace((line, report)) {
                    let later = before.as_ref().map(|(_, later)| later);
                    early.extend(later.filter(|later| later.continues(&earlier)).map(|_| begin));
                }
                runs
            }
        }
    });
    let runs = runs.into_iter().map(|run| match early.contains(&run.line) {
        true => Run {
            labels: run.labels,
            ..Run::incomplete(run.line, "it is an intermediate report (--status-interval)")
        },
        false => run,
    });
    let runs = runs.collect();
    let version = version.map(|version| version.trim_start_matches("fio-").to_owned());
    Decoded { version, runs, ..Decoded::default() }
}

impl Report {
    fn jobs(&self) -> impl Iterator<Item = &Job> {
        [&self.jobs, &self.client_stats].into_iter().flatten().flatten()
    }

    /// Whether this is a later report of the same run (`--status-interval`). Then the difference of the
    /// running times equals the difference of the reports' own times.
    fn continues(&self, earlier: &Self) -> bool {
        let longest = |report: &Self| report.jobs().filter_map(Job::runtime).fold(0.0, f64::max);
        let (Some(now), Some(then)) = (self.timestamp_ms, earlier.timestamp_ms) else { return false };
        let (ran, had_run) = (longest(self), longest(earlier));
        let same_jobs = self.jobs().map(Job::key).eq(earlier.jobs().map(Job::key));
        same_jobs
            && now > then
            && ran > had_run
            && (now - then - (ran - had_run)).abs() < 250_f64.min(had_run / 2.0)
    }
}

/// The same text, in which lines with messages are empty.
fn without_messages(text: &str) -> Cow<'_, str> {
    if !text.lines().any(is_message) {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive('\n');
    Cow::Owned(lines.map(|line| if is_message(line) { "\n" } else { line }).collect())
}

fn runs(words: &BTreeMap<i64, &str>, line: usize, report: &Report, signal: Option<&str>) -> Vec<Run> {
    let jobs: Vec<&Job> = report.jobs().collect();
    if jobs.is_empty() {
        return vec![Run::unreadable(line, "it contains no job")];
    }
    let mut names: BTreeMap<_, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<_> = jobs.iter().map(|job| job.key()).filter(|&name| !seen.insert(name)).collect();
    let mut runs = Vec::new();
    for job in &jobs {
        let mut run = match signal {
            Some(message) => Run::incomplete(line, message.trim_end()),
            None => of_job(words, line, job),
        };
        run.labels.extend(labels(report, job));
        // Clones of one job run at the same time, so they are not repetitions.
        if repeated.contains(&job.key()) {
            let clone = names.entry(job.key()).or_default();
            *clone += 1;
            run = run.with("clone", clone.to_string());
        }
        runs.push(run);
    }
    runs
}

impl Job {
    /// The name and the host, which distinguish a job from others in its document.
    fn key(&self) -> (Option<&str>, Option<&str>) {
        (self.jobname.as_deref(), self.hostname.as_deref())
    }

    /// Milliseconds of the direction that took the longest time.
    fn runtime(&self) -> Option<f64> {
        let directions = [&self.read, &self.write, &self.trim, &self.mixed].into_iter().flatten();
        directions.filter_map(|direction| direction.runtime).reduce(f64::max)
    }
}

fn labels(report: &Report, job: &Job) -> BTreeMap<String, String> {
    let option = |names: &[&str]| {
        let sets = [job.options.as_ref(), report.global.as_ref()].into_iter().flatten();
        let mut found = sets.flat_map(|set| names.iter().filter_map(|name| set.get(*name)?.as_str()));
        found.next().map(str::to_owned)
    };
    let lat = |direction: &Option<Direction>| Some(direction.as_ref()?.percentiles()?.0.to_owned());
    let percentiles = [&job.read, &job.write, &job.trim, &job.mixed].into_iter().find_map(lat);
    let all = [
        ("job", job.jobname.clone()),
        ("host", job.hostname.clone()),
        ("rw", option(&["rw", "readwrite"])),
        ("block_size", option(&["bs", "blocksize"])),
        ("ioengine", option(&["ioengine"])),
        ("iodepth", option(&["iodepth"])),
        ("numjobs", option(&["numjobs"])),
        ("direct", option(&["direct"])),
        ("latency_percentiles", percentiles),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn of_job(words: &BTreeMap<i64, &str>, line: usize, job: &Job) -> Run {
    if let Some(error) = job.error.filter(|&error| error != 0) {
        return Run::incomplete(line, failed(words, error));
    }
    let mut metrics = Vec::new();
    let kinds = [("read", &job.read), ("write", &job.write), ("trim", &job.trim), ("mixed", &job.mixed)];
    for (kind, direction) in kinds {
        match direction.as_ref().filter(|direction| direction.is_used()).map(|used| used.metrics(kind)) {
            Some(Err(why)) => return Run::unreadable(line, format!("{kind}: {why}")),
            Some(Ok(found)) => metrics.extend(found),
            None => {}
        }
    }
    if let Some(sync) = job.sync.as_ref().filter(|sync| sync.total_ios.is_some_and(|ios| ios > 0.0)) {
        metrics.extend(sync.latency().metrics("sync"));
    }
    if !metrics.is_empty() {
        let cpu = [("cpu_user", job.usr_cpu), ("cpu_system", job.sys_cpu)];
        metrics.extend(cpu.into_iter().filter_map(|(name, value)| Some(Metric::lower(name, "%", value?))));
        metrics.extend(job.total_err.map(|errors| Metric::lower("failed_requests", "", errors)));
    }
    Run::complete(line, metrics)
}

impl Direction {
    fn is_used(&self) -> bool {
        [self.total_ios, self.io_bytes].into_iter().flatten().any(|amount| amount > 0.0)
    }

    /// The unit of its times, in seconds.
    fn unit(&self) -> f64 {
        if self.lat_ns.is_some() || self.clat_ns.is_some() { 1e-9 } else { 1e-6 }
    }

    /// The times from the request to its end; if they are missing, the times from the submission to the end.
    fn times(&self) -> Option<&Times> {
        self.lat_ns.as_ref().or(self.lat.as_ref()).or(self.clat_ns.as_ref()).or(self.clat.as_ref())
    }

    fn latency(&self) -> Latency {
        let of = |value: Option<f64>| Some(value? * self.unit());
        self.times().map_or_else(Latency::default, |times| Latency {
            min: of(times.min),
            mean: of(times.mean),
            max: of(times.max),
            stddev: of(times.stddev),
        })
    }

    /// The percentiles and the times that they describe. fio prints them for one kind of time, by default the
    /// completion.
    fn percentiles(&self) -> Option<(&'static str, &BTreeMap<String, f64>)> {
        let total = self.lat_ns.as_ref().or(self.lat.as_ref()).and_then(|times| times.percentile.as_ref());
        let completion =
            self.clat_ns.as_ref().or(self.clat.as_ref()).and_then(|times| times.percentile.as_ref());
        total.map(|found| ("total", found)).or_else(|| Some(("completion", completion?)))
    }

    fn metrics(&self, kind: &str) -> Result<Vec<Metric>, String> {
        let rate = self.bw_bytes.or(self.bw.map(|kib| kib * 1024.0));
        if let (Some(iops), Some(milliseconds), Some(ios)) = (self.iops, self.runtime, self.total_ios) {
            let expect = iops * milliseconds / 1000.0;
            if (expect - ios).abs() > 1.0 + 0.01 * ios {
                return Err(format!("{iops} requests a second in {milliseconds} ms are not {ios} requests"));
            }
        }
        let latency = self.latency();
        if !latency.fits(1e-6) {
            return Err("the mean latency is not between the minimum and the maximum".to_owned());
        }
        let positive = |value: Option<f64>| value.filter(|&value| value > 0.0);
        let mut metrics = Vec::new();
        metrics.extend(positive(rate).map(|rate| Metric::higher(format!("{kind}_throughput"), "B/s", rate)));
        metrics.extend(positive(self.iops).map(|iops| Metric::higher(format!("{kind}_iops"), "1/s", iops)));
        metrics.extend(latency.metrics(kind));
        for (percent, value) in self.percentiles().into_iter().flat_map(|(_, percentiles)| percentiles) {
            let name = percent.parse().ok().and_then(percentile_name);
            if let Some(name) = name.filter(|_| *value > 0.0) {
                metrics.push(Metric::lower(format!("{kind}_latency_{name}"), "s", value * self.unit()));
            }
        }
        Ok(metrics)
    }
}
