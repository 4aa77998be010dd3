//! `mbw`, the memory copies of MEMCPY, DUMB and MCBLOCK.
//!
//! It prints how much it allocates, the number of copies (not with `-q`), a line for each copy and a line
//! with the mean (not with `-a`): `0<tab>Method: MEMCPY<tab>Elapsed: 0.00590<tab>MiB: 32.00000<tab>Copy:
//! 5423.728 MiB/s` (`mbw.c`; the same from 1.1 to 2.0). A run is one method of one invocation. Its rate is
//! computed over all copies together, from the rates in the lines, because these have more digits than the
//! times.

use crate::tools::Tool;
use crate::{Decoded, Metric, Run};

/// mbw.
pub static MBW: Tool =
    Tool { name: "mbw", summary: "the copies of each method as one run", recognises, decode };

const MIB: f64 = 1_048_576.0;

fn recognises(head: &str) -> bool {
    head.lines().any(|line| Row::read(line).is_some() || times(line).is_some())
}

const MIXED: &str = "its lines are mixed with those of another run";

/// One copy, or their mean.
struct Row<'a> {
    /// The number of the copy, from 0; `None`: this is the mean.
    index: Option<usize>,
    method: &'a str,
    mib: &'a str,
    rate: f64,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut cells = line.split('\t');
        let index = match cells.next()? {
            "AVG" => None,
            number => Some(number.parse().ok()?),
        };
        let (mut method, mut mib, mut rate) = (None, None, None);
        for cell in cells {
            match cell.split_once(": ")? {
                ("Method", name) => method = Some(name),
                ("MiB", size) => mib = Some(size),
                ("Copy", value) => rate = value.trim_end().strip_suffix(" MiB/s")?.parse().ok(),
                _ => {}
            }
        }
        Some(Self { index, method: method?, mib: mib?, rate: rate? })
    }
}

/// The number of copies of each method in `Getting down to business... Doing 10 runs per test.`
fn times(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once("Getting down to business... Doing ")?;
    rest.split_once(" runs per test.")?.0.parse().ok()
}

#[derive(Default)]
struct Group<'a> {
    line: usize,
    method: &'a str,
    mib: &'a str,
    rates: Vec<f64>,
    mean: Option<f64>,
    is_mixed: bool,
}

#[derive(Default)]
struct Reader<'a> {
    runs: Vec<Run>,
    group: Option<Group<'a>>,
    /// The number of copies in the first lines of the invocation.
    times: Option<usize>,
    block: Option<&'a str>,
    /// The line on which an invocation begins that has printed no copy yet.
    awaited: Option<usize>,
    /// Whether the first lines of two invocations follow each other without a copy between them. Then it is
    /// not known to which of the two a copy belongs.
    is_mixed: bool,
}

fn decode(text: &str) -> Decoded {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        reader.take(at + 1, line);
    }
    reader.close();
    reader.forget();
    Decoded { runs: reader.runs, ..Decoded::default() }
}

impl<'a> Reader<'a> {
    fn take(&mut self, at: usize, line: &'a str) {
        if let Some(row) = Row::read(line) {
            self.awaited = None;
            self.add(at, row);
        } else if line.starts_with("Long uses ") {
            self.close();
            self.is_mixed = self.awaited.is_some() && self.times.is_none();
            self.forget();
            self.awaited = Some(at);
        } else if let Some(rest) = line.strip_prefix("Using ") {
            self.block =
                rest.split_once(" bytes as blocks for memcpy").map(|(bytes, _)| bytes).or(self.block);
        } else if let Some(times) = times(line) {
            // This line was read before without a copy after it, so it is the line of another invocation.
            if self.times.is_some() {
                self.close();
                self.forget();
                self.is_mixed = true;
            }
            self.times = Some(times);
            self.awaited.get_or_insert(at);
        } else if line.contains("\tMethod: ") || line == "AVG" {
            let group = self.group.get_or_insert_with(|| Group { line: at, ..Group::default() });
            group.is_mixed = true;
        }
    }

    fn add(&mut self, at: usize, row: Row<'a>) {
        let begins = row.index == Some(0);
        let belongs = |group: &Group<'_>| group.method == row.method && group.mib == row.mib && !begins;
        if !self.group.as_ref().is_some_and(belongs) {
            self.close();
            self.group = Some(Group {
                line: at,
                method: row.method,
                mib: row.mib,
                is_mixed: !begins,
                ..Group::default()
            });
        }
        let Some(group) = &mut self.group else { return };
        match row.index {
            Some(index) => {
                group.is_mixed |= index != group.rates.len();
                group.rates.push(row.rate);
            }
            None => {
                group.mean = Some(row.rate);
                self.close();
            }
        }
    }

    /// Forgets the first lines of an invocation, because what follows does not belong to it.
    fn forget(&mut self) {
        if let Some(line) = self.awaited.take() {
            self.runs.push(Run::incomplete(line, "it contains no copy"));
        }
        (self.times, self.block) = (None, None);
    }

    fn close(&mut self) {
        let Some(group) = self.group.take() else { return };
        let is_whole = match self.times {
            Some(times) => group.rates.len() == times,
            None => group.mean.is_some(),
        };
        let (method, mib, line) = (group.method, group.mib, group.line);
        let run = if self.is_mixed {
            Run::incomplete(line, MIXED)
        } else if group.is_mixed || !is_whole {
            Run::incomplete(line, "its copies are not numbered from the first to the last")
        } else if !group.rates.iter().all(|rate| *rate > 0.0 && rate.is_finite()) {
            Run::unreadable(line, "a copy was too fast to be measured")
        } else {
            let rate = group.rates.len() as f64 / group.rates.iter().map(|rate| 1.0 / rate).sum::<f64>();
            match group.mean {
                Some(mean) if (mean - rate).abs() > rate * 1e-3 || mean.is_nan() => {
                    Run::incomplete(line, format!("its mean of {mean} MiB/s does not agree with its copies"))
                }
                _ => Run::complete(line, vec![Metric::higher("throughput", "B/s", rate * MIB)]),
            }
        };
        let size = mib.parse::<f64>().map_or_else(|_| mib.to_owned(), |mib| format!("{mib} MiB"));
        let run = run.with("test", method).with("size", size);
        self.runs.push(match self.block.filter(|_| method == "MCBLOCK") {
            Some(block) => run.with("block_size", block),
            None => run,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    fn row(index: &str, rate: &str) -> String {
        format!("{index}\tMethod: DUMB\tElapsed: 0.00100\tMiB: 8.00000\tCopy: {rate} MiB/s\n")
    }

    fn check(text: &str, expect: &[Option<f64>]) {
        let runs = decode(text).runs;
        let found: Vec<Option<f64>> =
            runs.iter().map(|run| run.metrics.first().map(|metric| metric.value / MIB)).collect();
        assert_eq!(found, expect, "{runs:?}");
    }

    #[test]
    fn the_rate_is_computed_over_all_copies_together() {
        // 8 MiB in 2 s and 8 MiB in 8 s: 16 MiB in 10 s.
        check(&(row("0", "4.000") + &row("1", "1.000") + &row("AVG", "1.600")), &[Some(1.6)]);
        check(&(row("0", "4.000") + &row("1", "1.000") + &row("AVG", "2.500")), &[None]);
        let two = "Getting down to business... Doing 2 runs per test.\n";
        check(&format!("{two}{}{}", row("0", "4.000"), row("1", "1.000")), &[Some(1.6)]);
        check(&format!("{two}{}", row("0", "4.000")), &[None]);
        // Neither a line with a mean nor a first line shows how many copies there must be.
        check(&(row("0", "4.000") + &row("1", "1.000")), &[None]);
    }

    #[test]
    fn mixed_copies_and_infinite_rates_have_no_number() {
        check(&(row("0", "4.000") + &row("0", "4.000") + &row("AVG", "4.000")), &[None, Some(4.0)]);
        check(&(row("1", "4.000") + &row("AVG", "4.000")), &[None]);
        check(&(row("0", "inf") + &row("AVG", "inf")), &[None]);
        check("Long uses 8 bytes. Allocating 2*1024 elements = 16384 bytes of memory.\n", &[None]);
        assert_eq!(decode(&row("0", "inf")).runs[0].status, Status::Incomplete);
    }
}
