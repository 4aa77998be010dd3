//! The lines for people.

use super::{Figures, IMPOSSIBLE, MIXED, NOTHING};
use crate::Run;

pub fn recognises(text: &str) -> bool {
    text.lines()
        .any(|line| target(line).is_some() || Request::read(line).is_some() || complaint(line).is_some())
}

/// The target `. (ext4 /dev/sda3)` in `--- . (ext4 /dev/sda3) ioping statistics ---`.
fn target(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("--- ")?.strip_suffix(" ioping statistics ---")
}

/// The message about a failure, or about an option that has no effect: `ioping: stat "x" failed: No such file
/// or directory`.
fn complaint(line: &str) -> Option<&str> {
    line.strip_prefix("ioping: ").map(str::trim_end)
}

/// A line such as `4 KiB <<< . (ext4 /dev/sda3 20 GiB): request=1 time=100 us (warmup)`. Some versions have
/// `from` in place of the arrow.
struct Request<'a> {
    size: &'a str,
    number: u64,
}

impl<'a> Request<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (head, rest) = line.split_once("): request=")?;
        let (number, _) = rest.split_once(" time=")?;
        let size = [" <<< ", " >>> ", " from ", " to "].iter().find_map(|arrow| head.split_once(arrow))?.0;
        // With `-I` a time stands before the size. The size is the last two words, or one word before
        // `bytes`.
        let begin = size.rmatch_indices(' ').nth(1).map_or(0, |(at, _)| at + 1);
        Some(Self { size: size.get(begin..)?, number: number.parse().ok()? })
    }
}

const CUT_OFF: &str = "its statistics are incomplete";

#[derive(Default)]
struct Open<'a> {
    line: usize,
    size: Option<&'a str>,
    /// The number of the last request.
    number: u64,
    target: Option<&'a str>,
    operation: Option<&'static str>,
    completed: Option<f64>,
    generated: Option<f64>,
    figures: Figures,
    is_mixed: bool,
}

#[derive(Default)]
struct Reader<'a> {
    runs: Vec<Run>,
    open: Option<Open<'a>>,
    /// The last message about a failure, unless something was measured after it.
    complaint: Option<(usize, &'a str)>,
}

pub fn runs(text: &str) -> Vec<Run> {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        reader.take(at + 1, line);
    }
    reader.cut_off();
    if let Some((line, said)) = reader.complaint {
        reader.runs.push(Run::unreadable(line, said));
    }
    reader.runs
}

impl<'a> Reader<'a> {
    fn take(&mut self, at: usize, line: &'a str) {
        if let Some(said) = complaint(line) {
            self.complaint = Some((at, said));
            return;
        }
        if let Some(request) = Request::read(line) {
            self.complaint = None;
            if request.number == 1 || self.open.as_ref().is_some_and(|open| open.target.is_some()) {
                self.cut_off();
            }
            let open = self.open.get_or_insert_with(|| Open { line: at, ..Open::default() });
            open.is_mixed |= request.number != open.number + 1;
            open.number = request.number;
            open.size = Some(request.size);
        } else if let Some(target) = target(line) {
            self.complaint = None;
            if self.open.as_ref().is_some_and(|open| open.target.is_some()) {
                self.cut_off();
            }
            self.open.get_or_insert_with(|| Open { line: at, ..Open::default() }).target = Some(target);
        } else if let Some(open) = self.open.as_mut().filter(|open| open.target.is_some()) {
            if let Some((count, rest)) = line.split_once(" requests completed in ") {
                open.is_mixed |= open.completed.is_some();
                open.completed = amount(count, &COUNTS);
                open.completed(rest);
            } else if let Some((_, rest)) = line.split_once("generated ") {
                let (count, rest) = rest.split_once(" requests in ").unwrap_or((rest, ""));
                open.is_mixed |= open.generated.is_some();
                open.generated = amount(count, &COUNTS);
                (open.figures.load_iops, open.figures.load_speed) = rates(rest);
            } else if let Some(times) = line.trim_end().strip_prefix("min/avg/max/mdev = ") {
                open.times(times);
                self.close();
            }
        }
    }

    fn cut_off(&mut self) {
        if let Some(open) = self.open.take() {
            let why = match (open.is_mixed, self.complaint.take()) {
                (true, _) => MIXED.to_owned(),
                (false, Some((_, said))) => said.to_owned(),
                (false, None) => CUT_OFF.to_owned(),
            };
            self.runs.push(open.label(Run::incomplete(open.line, why)));
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let at = open.line;
        // Counts of 1000 and more are rounded.
        let other = |count: f64| open.number > 0 && count < 1000.0 && count != open.number as f64;
        let run = if open.is_mixed || open.generated.is_some_and(other) {
            Run::incomplete(at, MIXED)
        } else if open.completed == Some(0.0) {
            Run::unreadable(at, NOTHING)
        } else if open.completed.is_none() || open.figures.max.is_none() || open.figures.iops.is_none() {
            Run::incomplete(at, CUT_OFF)
        } else if !open.figures.is_possible() || !open.has_likely_rate() {
            Run::unreadable(at, IMPOSSIBLE)
        } else {
            Run::complete(at, open.figures.metrics())
        };
        self.runs.push(open.label(run));
    }
}

impl Open<'_> {
    /// Reads `1.2 ms, 16 KiB read, 3.42 k iops, 13.4 MiB/s`.
    fn completed(&mut self, rest: &str) {
        self.operation = rest.split(", ").find_map(|part| match part {
            part if part.ends_with(" read") => Some("read"),
            part if part.ends_with(" written") => Some("write"),
            _ => None,
        });
        (self.figures.iops, self.figures.speed) = rates(rest);
    }

    /// Reads `161 us / 214 us / 273 us / 43 us` and `0.2/2.8/12.7/5.0 ms`.
    fn times(&mut self, text: &str) {
        let parts: Vec<&str> = text.split('/').map(str::trim).collect();
        let common = text.trim_end().rsplit_once(' ').map_or("", |(_, unit)| unit);
        let time = |part: &&str| match part.contains(' ') {
            true => amount(part, &TIMES),
            false => amount(&format!("{part} {common}"), &TIMES),
        };
        if let [min, mean, max, deviation] = parts.iter().map(time).collect::<Vec<_>>()[..]
            && deviation.is_some()
        {
            let figures = &mut self.figures;
            (figures.min, figures.mean, figures.max, figures.deviation) = (min, mean, max, deviation);
        }
    }

    /// Whether the iops agree with the mean time. Both are rounded, the mean in the worst case to one digit.
    fn has_likely_rate(&self) -> bool {
        match (self.figures.iops, self.figures.mean) {
            (Some(iops), Some(mean)) => (0.5..=2.0).contains(&(iops * mean)) || iops < 2.0,
            _ => false,
        }
    }

    fn label(&self, run: Run) -> Run {
        // The label is only the path. The file system and the device belong to the machine and differ between
        // environments.
        let target = self.target.map(|target| target.rsplit_once(" (").map_or(target, |(path, _)| path));
        let labels = [("target", target), ("operation", self.operation), ("block_size", self.size)];
        labels.into_iter().fold(run, |run, (name, value)| match value {
            Some(value) => run.with(name, value),
            None => run,
        })
    }
}

/// The iops and bytes in a second, found by their units: `…, 3.42 k iops, 13.4 MiB/s`.
fn rates(text: &str) -> (Option<f64>, Option<f64>) {
    let parts = || text.trim_end().split(", ");
    let iops = parts().find_map(|part| amount(part.strip_suffix("iops")?, &COUNTS));
    (iops, parts().find_map(|part| amount(part.strip_suffix("/s")?, &SIZES)))
}

type Units = [(&'static str, f64)];

const COUNTS: [(&str, f64); 6] = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15)];
const TIMES: [(&str, f64); 6] =
    [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("hour", 3600.0)];
/// The units of `print_size` in `ioping.c`. In early versions they are powers of 1024 too.
const SIZES: [(&str, f64); 11] = [
    ("B", 1.0),
    ("bytes", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kb", 1024.0),
    ("mb", 1_048_576.0),
    ("gb", 1_073_741_824.0),
    ("kB", 1024.0),
    ("MB", 1_048_576.0),
];

/// The value of a text such as `3.42 k`, with one of these units.
fn amount(text: &str, units: &Units) -> Option<f64> {
    let text = text.trim();
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[Option<(f64, f64)>]) {
        assert!(recognises(text), "{text}");
        let runs = runs(text);
        let value = |run: &Run, name: &str| {
            run.metrics.iter().find(|metric| metric.name == name).map(|found| found.value)
        };
        let found: Vec<Option<(f64, f64)>> =
            runs.iter().map(|run| Some((value(run, "iops")?, value(run, "latency_mean")?))).collect();
        assert_eq!(found, expect, "{runs:?}");
    }

    /// Statistics from ioping's README, as printed up to 1.0.
    const OLD: &str = "--- . (ext4 /dev/sda3) ioping statistics ---\n\
                       5 requests completed in 4794.0 ms, 364 iops, 1.4 MiB/s\n\
                       min/avg/max/mdev = 0.2/2.8/12.7/5.0 ms\n";

    #[test]
    fn a_common_unit_of_all_times_is_used_for_each() {
        check(OLD, &[Some((364.0, 2.8 * 1e-3))]);
        check(&OLD.replace("5 requests", "0 requests"), &[None]);
        check(&OLD.replace("364 iops", "36400 iops"), &[None]);
        check(&OLD.replace("0.2/", "5.2/"), &[None]);
        check(&format!("{OLD}{OLD}"), &[Some((364.0, 2.8 * 1e-3)); 2]);
        check(OLD.trim_end_matches("5.0 ms\n"), &[None]);
    }

    #[test]
    fn requests_belong_to_the_statistics_after_them() {
        let request =
            |number: u64| format!("4 KiB <<< . (ext4 /dev/sda3 20 GiB): request={number} time=2.80 ms\n");
        let some = Some((364.0, 2.8 * 1e-3));
        check(&(request(1) + &request(2) + OLD), &[some]);
        check(&(request(1) + &request(3) + OLD), &[None]);
        check(&(request(1) + &request(1) + OLD), &[None, some]);
        check(&(request(1) + &request(2)), &[None]);
        let run = runs(&(request(1) + OLD)).remove(0);
        assert_eq!(run.labels.get("block_size").map(String::as_str), Some("4 KiB"));
        assert_eq!(run.labels.get("target").map(String::as_str), Some("."));
    }
}
