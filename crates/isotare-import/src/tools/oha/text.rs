//! oha's text has sections with titles. The first one is the summary. If there are errors, they are in the
//! last one.
//!
//! Times have four decimals, in a unit that depends on their size or on `-u`. The text has no end mark. It is
//! complete if the share of answers, the rate of all requests and the histogram of the answers agree with the
//! counts at the end.

use super::{Outcome, Report, Summary};
use crate::tools::report::{Fault, Line, agree, blocks, fields, mixed, number, run};
use crate::{Metric, Run};
use std::collections::BTreeMap;

const TITLE: &str = "Summary:";
const SHARE: &str = "Success rate:";
const TOTAL: &str = "Total:";
const RATE: &str = "Requests/sec:";
const SIZE: &str = "Size/sec:";
const WORDS: &[&str] = &[TITLE, SHARE, TOTAL, SLOWEST, FASTEST, AVERAGE, RATE, SIZE, STATUSES, ERRORS];
const SLOWEST: &str = "Slowest:";
const FASTEST: &str = "Fastest:";
const AVERAGE: &str = "Average:";
const PERCENTILES: [&str; 2] = ["Response time distribution:", "Latency distribution:"];
const HISTOGRAM: &str = "Response time histogram:";
const STATUSES: &str = "Status code distribution:";
const ERRORS: &str = "Error distribution:";

/// Whether these are lines of oha. Other tools also print a summary.
pub(super) fn recognises(head: &str) -> bool {
    let lines = || head.lines().map(str::trim);
    lines().zip(lines().skip(1)).any(|(line, next)| line == TITLE && next.starts_with(SHARE))
}

/// The runs, and warnings about failed requests, each with its line.
pub(super) fn decode(text: &str) -> (Vec<Run>, Vec<String>) {
    let mut warnings = Vec::new();
    let blocks = blocks(text, |line| line.trim() == TITLE);
    let read = |block: &Vec<Line<'_>>| {
        let line = block.first()?.0;
        let report = report(block);
        warnings
            .extend(report.iter().flat_map(Report::failures).map(|failure| super::warning(line, failure)));
        Some(run(line, BTreeMap::new(), report.and_then(|report| metrics(&report))))
    };
    (blocks.iter().filter_map(read).collect(), warnings)
}

fn metrics(report: &Report) -> Result<Vec<Metric>, Fault> {
    match report.metrics() {
        Ok(Outcome::Answered(metrics)) => Ok(metrics),
        Ok(Outcome::Failed(why)) => Err(Fault::Incomplete(why)),
        Err(why) => Err(Fault::Unreadable(why)),
    }
}

/// The content of the lines, if they are complete. The rate is checked here, because the rounding of the text
/// is known here.
fn report(block: &[Line<'_>]) -> Result<Report, Fault> {
    let cut = || Fault::incomplete("it is incomplete: the counts of answers and errors are missing");
    let found = fields(block, WORDS)?;
    let of = |word| found.get(word).copied().and_then(seconds);
    let share = found.get(SHARE).and_then(|text| share(text)).ok_or_else(cut)?;
    let total = found.get(TOTAL).and_then(|text| timed(text)).ok_or_else(cut)?;
    let rate = found.get(RATE).and_then(|text| number(text)).ok_or_else(cut)?;
    found.get(STATUSES).ok_or_else(cut)?;
    let statuses = counts(block, STATUSES);
    let statuses = statuses.map(|(status, count)| (status.to_owned(), count)).collect::<BTreeMap<_, _>>();
    let errors: BTreeMap<_, _> =
        counts(block, ERRORS).map(|(words, count)| (words.to_owned(), count)).collect();
    let mut report = Report {
        summary: Some(Summary {
            total: Some(total.0),
            slowest: of(SLOWEST),
            fastest: of(FASTEST),
            average: of(AVERAGE),
            requests_per_sec: None,
            size_per_sec: found.get(SIZE).and_then(|text| bytes(text)),
        }),
        percentiles: Some(percentiles(block)?),
        statuses: Some(statuses),
        errors: Some(errors),
        answered_per_second: None,
    };
    let sum = |counts: &Option<BTreeMap<String, f64>>| {
        super::total(counts.iter().flatten().map(|(_, count)| *count))
    };
    let (answered, failed) = (sum(&report.statuses), super::total(report.failures().map(|(_, count)| count)));
    let all = answered + sum(&report.errors);
    if histogram(block).is_some_and(|count| count != answered) {
        return Err(cut());
    }
    // Older versions count requests that were cut short at the end as failed.
    let is_share = |count: f64| agree(100.0 * answered / count.max(1.0), share, 0.0, 0.006);
    if ![answered + failed, all].into_iter().any(is_share) {
        return Err(cut());
    }
    // The time and the rate are printed with four decimals.
    let rounding = 0.5 + rate * total.1 * 0.00006 + total.0 * 0.00006;
    let counted =
        [all, answered + failed].into_iter().find(|count| agree(rate * total.0, *count, 1e-6, rounding));
    let counted = counted.ok_or_else(|| match rate * total.0 > all {
        true => cut(),
        false => mixed(format!(
            "the figures contradict each other: {rate} requests a second in {} s are not {all} requests",
            total.0
        )),
    })?;
    report.answered_per_second = Some(rate * answered / counted.max(1.0));
    Ok(report)
}

/// Per cent in `100.00%`, formerly `1.0000`.
fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => number(percent),
        None => Some(number(text)? * 100.0),
    }
}

/// Seconds in `47.1320 ms`, and the length of the unit in seconds.
fn timed(text: &str) -> Option<(f64, f64)> {
    let (value, unit) = text.trim().split_once(' ')?;
    let unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "sec" | "secs" => 1.0,
        "min" => 60.0,
        "hr" => 3600.0,
        _ => return None,
    };
    Some((number(value)? * unit, unit))
}

fn seconds(text: &str) -> Option<f64> {
    timed(text).map(|(seconds, _)| seconds)
}

/// Bytes in `2.40 MiB`.
fn bytes(text: &str) -> Option<f64> {
    let (value, unit) = text.trim().split_once(' ')?;
    let power = ["B", "KiB", "MiB", "GiB", "TiB"].iter().position(|name| *name == unit)?;
    Some(number(value)? * 1024_f64.powi(i32::try_from(power).ok()?))
}

/// The lines of the section with this title, up to the next blank line.
fn section<'a>(block: &[Line<'a>], title: &str) -> impl Iterator<Item = &'a str> {
    let lines = block.iter().map(|(_, line)| line.trim()).skip_while(move |line| *line != title);
    lines.skip(1).take_while(|line| !line.is_empty())
}

/// The percentiles, for example `50.00% in 3.2292 ms`, by the names that they have in the JSON.
fn percentiles(block: &[Line<'_>]) -> Result<BTreeMap<String, Option<f64>>, Fault> {
    let rows = PERCENTILES.iter().flat_map(|title| section(block, title)).filter_map(|line| {
        let (rank, time) = line.split_once("% in ")?;
        Some((number(rank)?, seconds(time)))
    });
    let rows: Vec<(f64, Option<f64>)> = rows.collect();
    let ascends = |pair: &[(f64, Option<f64>)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
    match rows.windows(2).all(ascends) {
        true => Ok(rows.into_iter().map(|(rank, time)| (format!("p{rank}"), time)).collect()),
        false => Err(mixed("its percentiles do not ascend")),
    }
}

/// The number of answers in the histogram: the sum of lines such as `0.611 ms [1]   |`.
fn histogram(block: &[Line<'_>]) -> Option<f64> {
    let count = |line: &str| number(line.split_once('[')?.1.split_once(']')?.0);
    section(block, HISTOGRAM).map(count).reduce(|one, other| Some(one? + other?))?
}

/// The counts of a section by status (`[200] 200 responses`) or by message (`[4] aborted due to deadline`).
fn counts<'a>(block: &[Line<'a>], title: &'static str) -> impl Iterator<Item = (&'a str, f64)> {
    section(block, title).filter_map(move |line| {
        let (bracket, words) = line.strip_prefix('[')?.split_once("] ")?;
        match title {
            STATUSES => Some((bracket, number(words.strip_suffix(" responses")?)?)),
            _ => Some((words, number(bracket)?)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status::{self, Complete, Incomplete, Unreadable};

    const REPORT: &str = "Summary:\n  Success rate:\t80.00%\n  Total:\t2.0000 sec\n  Slowest:\t0.3000 sec\n  Fastest:\t0.1000 sec\n  \
        Average:\t0.2000 sec\n  Requests/sec:\t5.5000\n\nResponse time distribution:\n  50.00% in 0.2000 sec\n\n\
        Status code distribution:\n  [200] 6 responses\n  [503] 2 responses\n\nError distribution:\n  [2] reset\n  \
        [1] aborted due to deadline\n";

    fn check(text: &str, expect: Status) {
        let found = decode(text).0;
        assert_eq!(found.iter().map(|run| run.status).collect::<Vec<_>>(), [expect], "{text}");
    }

    #[test]
    fn counts_must_agree_with_the_rate_and_the_share() {
        check(REPORT, Complete);
        check(&REPORT.replace("  [1] aborted due to deadline\n", ""), Incomplete);
        check(&REPORT.replace("  [2] reset\n", ""), Incomplete);
        check(&REPORT.replace("  [503] 2 responses\n", ""), Incomplete);
        check(&REPORT.replace("5.5000", "4.0000"), Incomplete);
        check(&REPORT.replace("Average:\t0.2", "Average:\t0.4"), Unreadable);
        check(&REPORT.replace("80.00%", "0.8000"), Complete);
        check(&REPORT.replace("  50.00% in", "  99.00% in 0.1000 sec\n  50.00% in"), Incomplete);
    }

    #[test]
    fn the_rate_covers_only_answered_requests() {
        let found = decode(REPORT).0;
        let rate =
            found.iter().flat_map(|run| &run.metrics).find(|metric| metric.name == "requests_per_second");
        assert_eq!(rate.map(|metric| metric.value), Some(4.0));
    }
}
