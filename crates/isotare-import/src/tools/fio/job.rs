//! The block of one job in fio's normal report.

use super::figures::{Direction, after, latency, percentiles, title};
use super::normal::Group;
use super::{Latency, failed};
use crate::Metric;
use crate::tools::report::{Fault, mixed};
use std::collections::{BTreeMap, BTreeSet};

/// The block of one job, or of all jobs of a group (`group_reporting`).
#[derive(Default)]
pub(super) struct Job<'a> {
    pub line: usize,
    pub name: &'a str,
    pub group: &'a str,
    count: &'a str,
    error: i64,
    pub pid: &'a str,
    directions: Vec<Direction>,
    sync: Option<Latency>,
    cpu: Option<(f64, f64)>,
    issued: Vec<f64>,
    errors: Option<f64>,
    is_ended: bool,
    /// The times of the percentiles that follow, and their unit.
    list: Option<(&'a str, f64)>,
    doubled: Option<usize>,
    /// Whether a line with a latency cannot be read.
    is_odd: bool,
}

impl<'a> Job<'a> {
    /// Reads `seq: (groupid=0, jobs=1): err= 0: pid=8758: Sat Nov 28 10:30:35 2026`.
    pub fn new(line: usize, text: &'a str) -> Option<Self> {
        let (name, rest) = text.split_once(": (groupid=")?;
        let (group, rest) = rest.split_once(", jobs=")?;
        let (count, rest) = rest.split_once("): err=")?;
        let error = rest.trim_start().split([' ', ':']).next()?.parse().ok()?;
        let pid = rest.split_once("): pid=").or_else(|| rest.split_once(": pid="))?.1.split(':').next()?;
        Some(Self { line, name, group, count, error, pid, ..Self::default() })
    }

    pub fn take(&mut self, number: usize, line: &'a str) {
        if line.starts_with('|') {
            self.take_percentiles(number, line);
            return;
        }
        if line.contains(" percentiles (") {
            self.list = None;
        }
        let is_doubled = if let Some(direction) = Direction::new(line) {
            let is_doubled = self.directions.iter().any(|other| other.kind == direction.kind);
            self.directions.push(direction);
            is_doubled
        } else if let Some((name, unit, rest)) = title(line) {
            self.take_times(name, unit, rest)
        } else if line.starts_with("cpu ") && line.contains("usr=") {
            let of = |word| after(line, word)?.strip_suffix('%')?.parse::<f64>().ok();
            of("usr=").zip(of("sys=")).is_some_and(|cpu| self.cpu.replace(cpu).is_some())
        } else if line.starts_with("issued ") {
            let is_doubled = !self.issued.is_empty();
            self.issued = issued(line).unwrap_or_default();
            is_doubled
        } else if line.starts_with("errors ") {
            let total = after(line, "total=").and_then(|total| total.parse().ok());
            total.is_some_and(|total| self.errors.replace(total).is_some())
        } else if line.starts_with("latency ") && line.contains("target=") {
            std::mem::replace(&mut self.is_ended, true)
        } else {
            false
        };
        if is_doubled {
            self.doubled = self.doubled.or(Some(number));
        }
    }

    /// Reads a line with times; `true`: these times were read before.
    fn take_times(&mut self, name: &'a str, unit: f64, rest: &str) -> bool {
        if let Some(name) = name.strip_suffix(" percentiles") {
            self.list = Some((name, unit));
            let times = self.directions.last_mut().and_then(|direction| direction.times(name));
            return times.is_some_and(|times| !times.percentiles.is_empty());
        }
        let Some(found) = latency(rest, unit) else {
            self.is_odd |= rest.contains("min=");
            return false;
        };
        match self.directions.last_mut().and_then(|direction| direction.times(name)) {
            Some(times) => times.latency.replace(found).is_some(),
            None => name == "sync" && self.sync.replace(found).is_some(),
        }
    }

    fn take_percentiles(&mut self, number: usize, row: &str) {
        let Some((name, unit)) = self.list else { return };
        let Some(times) = self.directions.last_mut().and_then(|direction| direction.times(name)) else {
            return;
        };
        match percentiles(row, unit) {
            Some(found) if !times.is_ended => {
                times.percentiles.extend(found);
                times.is_ended = !row.ends_with(',');
            }
            _ => self.doubled = self.doubled.or(Some(number)),
        }
    }

    pub fn metrics(
        &self,
        words: &BTreeMap<i64, &str>,
        groups: &BTreeMap<&str, Group>,
    ) -> Result<Vec<Metric>, Fault> {
        let cut = || Fault::incomplete("it is incomplete: the numbers of the job's group are missing");
        if self.error != 0 {
            return Err(Fault::Incomplete(failed(words, self.error)));
        }
        if self.is_odd {
            return Err(Fault::unreadable("its latencies are not numbers in fio's format"));
        }
        if let Some(line) = self.doubled {
            return Err(mixed(format!("line {line}: it occurs twice")));
        }
        let group = groups.get(self.group).filter(|_| self.is_ended).ok_or_else(cut)?;
        let (user, system) = self.cpu.ok_or_else(cut)?;
        let kinds = ["read", "write", "trim"];
        let has = |kind| self.directions.iter().any(|direction| [kind, "mixed"].contains(&direction.kind));
        if let Some((kind, _)) =
            kinds.iter().zip(&self.issued).find(|(kind, count)| **count > 0.0 && !has(kind))
        {
            return Err(Fault::unreadable(format!("{kind}: it has requests, but no rate")));
        }
        let mut metrics = Vec::new();
        for direction in &self.directions {
            let (_, (shortest, longest)) = group.rates.get(direction.kind).ok_or_else(cut)?;
            if group.is_doubled || !(*shortest..=*longest).contains(&direction.milliseconds) {
                return Err(mixed("the time of its group is different"));
            }
            let at =
                ["read", "write", "trim"].iter().position(|kind| *kind == direction.kind).unwrap_or_default();
            let requests = self.issued.get(at).ok_or_else(cut)?;
            metrics.extend(direction.metrics(*requests).map_err(Fault::Unreadable)?);
        }
        metrics.extend(self.sync.iter().flat_map(|sync| sync.metrics("sync")));
        if !metrics.is_empty() {
            metrics.push(Metric::lower("cpu_user", "%", user));
            metrics.push(Metric::lower("cpu_system", "%", system));
            metrics.extend(self.errors.map(|errors| Metric::lower("failed_requests", "", errors)));
        }
        Ok(metrics)
    }

    pub fn labels(&self, definition: Option<&&str>) -> BTreeMap<String, String> {
        let of = |word| definition.and_then(|definition| after(definition, word)).map(str::to_owned);
        let percentiles = self.directions.iter().find_map(Direction::percentiles_of);
        let all = [
            ("job", Some(self.name.to_owned())),
            ("rw", of("rw=")),
            ("block_size", definition.and_then(|definition| block_size(definition))),
            ("ioengine", of("ioengine=")),
            ("iodepth", of("iodepth=")),
            ("numjobs", Some(self.count.to_owned()).filter(|count| count != "1")),
            ("latency_percentiles", percentiles.map(str::to_owned)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// Numbers of requests that read, write and trim, in `total=2048,0,0,0 short=…`, formerly
/// `total=r=1058/w=990/d=0, …`.
fn issued(line: &str) -> Option<Vec<f64>> {
    let (_, rest) = line.split_once("total=")?;
    let rest = rest.split(" short").next()?.trim_end_matches(',');
    let of = |part: &str| part.trim_start_matches(|next: char| !next.is_ascii_digit()).parse().ok();
    rest.split([',', '/']).map(of).collect()
}

/// The size of blocks, if all have the same size: `bs=(R) 4096B-4096B, (W) 4096B-4096B, (T) 4096B-4096B`,
/// formerly `bs=4K-4K/4K-4K/4K-4K`.
fn block_size(definition: &str) -> Option<String> {
    let (_, rest) = definition.split_once("bs=")?;
    let rest = rest.split(", ioengine=").next()?.replace(['(', ')', 'R', 'W', 'T', ' '], "");
    let sizes: BTreeSet<&str> = rest.split([',', '/', '-']).collect();
    sizes.first().filter(|_| sizes.len() == 1).map(|size| (*size).to_owned())
}
