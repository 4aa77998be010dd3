//! Lines that contain only numbers.
//!
//! The fields are: requests, their time, iops, B/s, minimum, mean, maximum and deviation. From 0.9 on, the
//! number of all requests and the time with the pauses follow. Times are in ns, or in us before 0.8. Which of
//! the two it is follows from the iops.

use super::{Figures, IMPOSSIBLE, MIXED, NOTHING};
use crate::Run;

pub fn recognises(text: &str) -> bool {
    text.lines().any(|line| Raw::read(line).is_some_and(|raw| raw.second().is_some()))
}

#[derive(Clone, Copy, PartialEq)]
struct Raw {
    count: f64,
    time: f64,
    iops: f64,
    speed: f64,
    min: f64,
    mean: f64,
    max: f64,
    deviation: f64,
    /// The number of all requests, and the time with the pauses.
    load: Option<(f64, f64)>,
}

impl Raw {
    fn read(line: &str) -> Option<Self> {
        if !line.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ') {
            return None;
        }
        let mut numbers =
            line.split_ascii_whitespace().map(|word| word.parse::<u64>().map(|number| number as f64));
        let mut next = || numbers.next()?.ok();
        let mut raw = Self {
            count: next()?,
            time: next()?,
            iops: next()?,
            speed: next()?,
            min: next()?,
            mean: next()?,
            max: next()?,
            deviation: next()?,
            load: None,
        };
        if let Some(all) = next() {
            raw.load = Some((all, next()?));
        }
        next().is_none().then_some(raw)
    }

    /// The number of the line's time units in one second, if the numbers agree for one of the two units.
    fn second(&self) -> Option<f64> {
        let is_mean = (self.time - self.mean * self.count).abs() <= self.count;
        let is_ordered = self.min <= self.mean && self.mean <= self.max && self.count > 0.0;
        let fits =
            |second: f64| (self.iops - second * self.count / self.time).abs() <= 0.5 + 1e-3 * self.iops;
        [1e9, 1e6].into_iter().find(|second| is_mean && is_ordered && fits(*second))
    }

    fn run(&self, line: usize) -> Run {
        if self.count == 0.0 {
            return Run::unreadable(line, NOTHING);
        }
        let Some(second) = self.second() else { return Run::unreadable(line, IMPOSSIBLE) };
        let figures = Figures {
            iops: Some(self.count * second / self.time),
            speed: Some(self.speed),
            min: Some(self.min / second),
            mean: Some(self.time / self.count / second),
            max: Some(self.max / second),
            deviation: Some(self.deviation / second),
            load_iops: self.load.map(|(count, time)| count * second / time),
            load_speed: None,
        };
        match figures.is_possible() {
            true => Run::complete(line, figures.metrics()),
            false => Run::unreadable(line, IMPOSSIBLE),
        }
    }
}

/// The sum of the parts of a run.
#[derive(Default)]
struct Sum {
    lines: u32,
    count: f64,
    time: f64,
    load: f64,
}

impl Sum {
    fn add(&mut self, raw: &Raw) {
        self.lines += 1;
        self.count += raw.count;
        self.time += raw.time;
        self.load += raw.load.map_or(0.0, |(_, time)| time);
    }

    /// Whether this line is the summary of all parts. Its time is a little later than that of the last part,
    /// and times are rounded.
    fn is(&self, raw: &Raw) -> bool {
        let load = raw.load.map_or(0.0, |(_, time)| time);
        let lines = f64::from(self.lines);
        self.lines > 0 && raw.count == self.count && (raw.time - self.time).abs() <= lines && load > self.load
    }
}

pub fn runs(text: &str) -> Vec<Run> {
    let ends_whole = text.ends_with('\n');
    let mut lines = text.lines().enumerate().peekable();
    let mut found = Vec::new();
    let mut runs = Vec::new();
    while let Some((at, line)) = lines.next() {
        let Some(raw) = Raw::read(line) else { continue };
        // The last number of an incomplete line may be cut.
        match ends_whole || lines.peek().is_some() {
            true => found.push((at + 1, raw)),
            false => runs.push(Run::incomplete(at + 1, "the last line is incomplete")),
        }
    }
    let (pairs, rest) = found.as_chunks::<2>();
    if found.len() > 2 && rest.is_empty() && pairs.iter().all(|[first, second]| first.1 == second.1) {
        return found.iter().map(|(line, _)| Run::incomplete(*line, MIXED)).collect();
    }
    let mut whole = Vec::new();
    let mut sum = Sum::default();
    for (line, raw) in &found {
        // This line repeats the sum of all parts before it.
        if sum.is(raw) {
            sum = Sum::default();
        } else {
            sum.add(raw);
            whole.push(raw.run(*line));
        }
    }
    whole.append(&mut runs);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[Option<f64>]) {
        let runs = runs(text);
        let found: Vec<Option<f64>> = runs
            .iter()
            .map(|run| run.metrics.iter().find(|metric| metric.name == "latency_mean").map(|mean| mean.value))
            .collect();
        assert_eq!(found, expect, "{runs:?}");
    }

    #[test]
    fn the_unit_follows_from_the_iops() {
        check("4 4000000 1000 4096000 900000 1000000 1100000 10 5 4000900000\n", &[Some(1e-3)]);
        check("4 4000 1000 4096000 900 1000 1100 10\n", &[Some(1e-3)]);
        check("4 4000 7 4096000 900 1000 1100 10\n", &[None]);
        check("4 4000 1000 4096000 1100 1000 1100 10\n", &[None]);
        check("0 0 0 0 0 0 0 0 1 100\n", &[None]);
    }

    #[test]
    fn the_last_line_may_be_the_sum_of_all() {
        let line = |count: u64, load: u64| {
            format!("{count} {}000000 1000 4096000 900000 1000000 1100000 10 {count} {load}\n", count)
        };
        check(&(line(2, 20) + &line(3, 30)), &[Some(1e-3), Some(1e-3)]);
        check(&(line(2, 20) + &line(3, 30) + &line(5, 51)), &[Some(1e-3), Some(1e-3)]);
        check(&(line(2, 20) + &line(2, 21) + &line(3, 30) + &line(3, 31)), &[Some(1e-3), Some(1e-3)]);
        check(&(line(2, 20) + &line(2, 20)), &[Some(1e-3), Some(1e-3)]);
        check(&(line(2, 20) + &line(2, 20) + &line(3, 20) + &line(3, 20)), &[None; 4]);
        check(line(2, 20).trim_end(), &[None]);
    }
}
