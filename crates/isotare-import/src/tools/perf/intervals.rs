//! `perf stat -I` prints each counter at the end of each interval. Each row begins with the seconds since the
//! beginning of the run, with nine decimals (`print_interval` and `process_interval` in
//! `tools/perf/builtin-stat.c`, `stat-display.c`).
//!
//! A run consists of all its intervals, and its numbers are the totals of the counters. Every interval has
//! the same counters in the same order. The last interval is shorter: it ends with the run. Only the counters
//! of `--summary` mark the end. In the text, each run begins with the titles of the columns, which are
//! repeated after 25 intervals.
//!
//! `<not counted>` has two meanings. With 100 % (in the text: without a share), the task was on no processor
//! during the interval, which adds nothing to the total. With 0 %, the counter was not active during the
//! interval, and there is no total.

use super::rows::{Item, Row, Span};
use super::totals::{Key, Series, keys, total};
use super::{Count, Counter};
use crate::tools::perf::text;
use crate::{Decoded, Metric, Run};
use std::collections::{BTreeMap, BTreeSet};

/// The seconds at the beginning of a row: `0.100146076`. No other number that perf prints there has nine
/// decimals.
pub(super) fn stamp(word: &str) -> Option<f64> {
    let (whole, decimals) = word.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (decimals.len() == 9 && digits(whole) && digits(decimals)).then(|| word.parse().ok())?
}

/// Decodes the rows of `-x` and `-j`.
pub(super) fn decode(items: Vec<Item>) -> Decoded {
    let mut found = Decoded::default();
    for series in series(items) {
        found.runs.extend(series.runs);
        found.warnings.extend(series.warnings);
    }
    found
}

/// The rows of the text. They go from the first titles of columns to the report of the whole run
/// (`--summary`).
pub(super) fn of_text(text: &str) -> Vec<Series> {
    let mut items = Vec::new();
    let mut is_open = false;
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let line = whole.trim();
        let is_title = text::is_interval_title(line);
        is_open = is_title || (is_open && !line.starts_with(text::TITLE));
        let first = line.split_ascii_whitespace().next().unwrap_or_default();
        if is_title {
            items.push(Item::Titles(number));
        } else if line.starts_with("# started on") {
            items.push(Item::Begin(number));
        } else if !is_open && stamp(first).is_none() {
        } else if !whole.ends_with('\n')
            && (first.is_empty() || first.starts_with(|first: char| first.is_ascii_digit()))
        {
            items.push(Item::Broken(number, "the row is incomplete".to_owned()));
        } else if let Some(end) = stamp(first) {
            let rest = line.get(first.len()..).unwrap_or_default().trim_start();
            items.extend(match text::counter(number, rest) {
                Some((place, counter)) => Some(Item::Row(Row { place, counter, span: Span::UpTo(end) })),
                None => text::odd(number, rest).map(|why| Item::Broken(number, why)),
            });
        } else if line.starts_with(text::FAILED) || text::is_signal(line) {
            items.push(Item::Broken(number, line.to_owned()));
        }
    }
    match items.iter().any(|item| matches!(item, Item::Titles(_))) {
        true => series(items),
        false => Vec::new(),
    }
}

/// The intervals of one run, while they are read.
struct Draft {
    first: usize,
    last: usize,
    /// Whether a mark shows that a run begins here.
    is_marked: bool,
    /// Whether the last line was a line of titles. It belongs to this run or begins the next one.
    is_titled: bool,
    intervals: Vec<(f64, Vec<Row>)>,
    summary: Vec<Row>,
    broken: Option<String>,
}

fn series(items: Vec<Item>) -> Vec<Series> {
    let mut drafts: Vec<Draft> = Vec::new();
    let has_titles = items.iter().any(|item| matches!(item, Item::Titles(_)));
    for item in items {
        if drafts.last().is_none_or(|draft| draft.ends_before(&item)) {
            let is_titled = drafts.last().is_some_and(|draft| draft.is_titled);
            drafts.push(Draft::new(&item, is_titled, has_titles));
        }
        if let Some(draft) = drafts.last_mut() {
            draft.take(item);
        }
    }
    // If a text has titles, `# started on` without titles does not begin a run with intervals.
    drafts.retain(|draft| draft.is_marked || draft.has_rows() || draft.broken.is_some());
    let begins = drafts.iter().filter_map(Draft::first_end).reduce(f64::min).unwrap_or_default();
    let marks = drafts.iter().any(|draft| draft.is_marked);
    let last = drafts.len().saturating_sub(1);
    let is_mixed = drafts.iter().enumerate().any(|(at, draft)| {
        let begins_late = || draft.first_end().is_some_and(|end| end > 1.8 * begins);
        let is_apart = if marks { at == 0 || draft.is_marked } else { !draft.may_be_two() && !begins_late() };
        // If counters are missing and another run follows, they are among its rows.
        draft.is_mixed() || !is_apart || (at < last && draft.is_short())
    });
    drafts.into_iter().map(|draft| draft.close(is_mixed, marks)).collect()
}

impl Draft {
    fn new(item: &Item, is_titled: bool, has_titles: bool) -> Self {
        let first = item.line();
        let is_marked = is_titled || (matches!(item, Item::Begin(_)) && !has_titles);
        let (intervals, summary) = (Vec::new(), Vec::new());
        Self { first, last: first, is_marked, is_titled: false, intervals, summary, broken: None }
    }

    fn has_rows(&self) -> bool {
        !self.intervals.is_empty() || !self.summary.is_empty()
    }

    /// Whether its last interval lacks some counters.
    fn is_short(&self) -> bool {
        let count = |interval: Option<&(f64, Vec<Row>)>| interval.map_or(0, |(_, rows)| rows.len());
        count(self.intervals.last()) < count(self.intervals.first())
    }

    fn first_end(&self) -> Option<f64> {
        self.intervals.first().map(|(end, _)| *end)
    }

    /// Whether this item belongs to the next run.
    fn ends_before(&self, item: &Item) -> bool {
        let count = self.intervals.len();
        match item {
            Item::Begin(_) => self.is_marked || self.has_rows(),
            // Depending on the version, titles are repeated after 25, 50, … intervals, or after 26, 51, …
            // intervals.
            Item::Titles(_) => !self.summary.is_empty() || (count > 0 && (count < 25 || count % 25 > 1)),
            Item::Row(Row { span: Span::UpTo(end), .. }) => {
                !self.summary.is_empty() || self.intervals.last().is_some_and(|(last, _)| end < last)
            }
            Item::Row(_) | Item::Broken(..) => false,
        }
    }

    fn take(&mut self, item: Item) {
        self.last = item.line();
        self.is_titled = matches!(item, Item::Titles(_));
        self.is_marked |= self.is_titled && self.intervals.is_empty();
        match item {
            Item::Begin(_) | Item::Titles(_) => {}
            Item::Broken(_, why) => self.broken = self.broken.take().or(Some(why)),
            Item::Row(row) => match (row.span, self.intervals.last_mut()) {
                (Span::UpTo(end), Some((last, rows))) if end == *last => rows.push(row),
                (Span::UpTo(end), _) => self.intervals.push((end, vec![row])),
                (Span::Run | Span::Summary, _) => self.summary.push(row),
            },
        }
    }

    /// The lengths of the intervals: of all but the last one, and of the last one.
    fn spans(&self) -> (Vec<f64>, Option<f64>) {
        let ends = || self.intervals.iter().map(|(end, _)| *end);
        let mut spans: Vec<f64> =
            ends().zip(std::iter::once(0.0).chain(ends())).map(|(end, begin)| end - begin).collect();
        let last = spans.pop();
        (spans, last)
    }

    /// Whether it has rows of two runs. Signs of this are a counter that occurs twice in an interval, other
    /// counters than in the first interval, or an interval that is much shorter than the others. On a busy
    /// machine, intervals only become longer.
    fn is_mixed(&self) -> bool {
        let Some(((_, first), others)) = self.intervals.split_first() else { return false };
        let expect = keys(first);
        let is_part = |at: usize, found: &[Key<'_>]| at + 1 == others.len() && expect.starts_with(found);
        let (mut spans, _) = self.spans();
        let shortest = spans.iter().copied().reduce(f64::min);
        spans.sort_by(f64::total_cmp);
        let median = spans.get(spans.len() / 2);
        expect.iter().collect::<BTreeSet<_>>().len() < expect.len()
            || others
                .iter()
                .map(|(_, rows)| keys(rows))
                .enumerate()
                .any(|(at, found)| found != expect && !is_part(at, &found))
            || shortest.zip(median).is_some_and(|(shortest, median)| shortest < median / 4.0)
            || !self.agrees_with_summary()
    }

    /// Whether its two intervals may also be two runs with one interval each. There is no mark between them
    /// that shows this.
    fn may_be_two(&self) -> bool {
        matches!(self.spans(), (before, Some(last)) if before.len() == 1 && last < before.iter().sum::<f64>() / 50.0)
    }

    /// Whether `--summary` has the same counters with the same totals. Totals that are estimates are not
    /// compared.
    fn agrees_with_summary(&self) -> bool {
        let totals = self.totals();
        let is_same = |(row, total): (&Row, &Counter)| match (&row.counter.count, &total.count) {
            _ if [row.counter.counted, total.counted].into_iter().flatten().any(|share| share < 100.0) => {
                true
            }
            // The values of each interval are rounded to two decimals.
            (Count::Counted(one), Count::Counted(other)) => {
                (one - other).abs() <= 0.01 * (self.intervals.len() + 1) as f64
            }
            (Count::Counted(_), Count::Not(_)) | (Count::Not(_), Count::Counted(_)) => false,
            (Count::Not(_), Count::Not(_)) => true,
        };
        self.summary.is_empty()
            || (keys(&self.summary)
                .into_iter()
                .eq(totals.iter().map(|(place, total)| (*place, total.event.as_str())))
                && self.summary.iter().zip(totals.iter().map(|(_, total)| total)).all(is_same))
    }

    /// A run without numbers, if the numbers cannot be used, with the reason.
    fn fault(&self, is_mixed: bool, marks: bool) -> Option<Run> {
        let incomplete = |why: &str| Some(Run::incomplete(self.first, why));
        let (whole, _) = self.spans();
        let longest = whole.iter().skip(1).copied().reduce(f64::max);
        if let Some(why) = &self.broken {
            return incomplete(why);
        }
        if self.intervals.is_empty() {
            return incomplete("it contains no interval");
        }
        if is_mixed {
            return incomplete("the intervals are not in the order of one run: two runs are mixed");
        }
        if self.is_short() {
            return incomplete("its last interval has fewer counters than the others: it is incomplete");
        }
        let begins_late = longest.zip(self.first_end()).is_some_and(|(longest, first)| first > 1.8 * longest);
        if (marks && !self.is_marked) || (!marks && begins_late) {
            return incomplete("its beginning is missing");
        }
        let is_repeated =
            self.intervals.iter().flat_map(|(_, rows)| rows).any(|row| row.counter.noise.is_some());
        is_repeated.then(|| {
            Run::unreadable(self.first, "-I with -r: the output does not show where a repetition ends")
        })
    }

    fn close(self, is_mixed: bool, marks: bool) -> Series {
        let lines = self.first..=self.last;
        if let Some(run) = self.fault(is_mixed, marks) {
            return Series { lines, runs: vec![run], warnings: Vec::new() };
        }
        let totals = self.totals();
        let mut places: BTreeMap<Option<&str>, Vec<Metric>> = BTreeMap::new();
        for (place, total) in &totals {
            places.entry(*place).or_default().extend(total.metrics());
        }
        let end = self.intervals.last().map(|(end, _)| Metric::lower("total_time", "s", *end));
        let count = Metric::lower("intervals", "", self.intervals.len() as f64);
        let of_place = |(place, mut metrics): (Option<&str>, Vec<Metric>)| {
            // If there is no total, the duration of the run is of no use.
            if !metrics.is_empty() {
                metrics.extend(end.iter().chain([&count]).cloned());
            }
            let run = Run::complete(self.first, metrics);
            match place {
                Some(place) => run.with("cpu", place),
                None => run,
            }
        };
        let runs = places.into_iter().map(of_place).collect();
        Series { lines, runs, warnings: totals.iter().filter_map(|(_, total)| total.warning()).collect() }
    }

    /// The totals of the counters, in the order of the first interval.
    fn totals(&self) -> Vec<(Option<&str>, Counter)> {
        let count = self.intervals.first().map_or(0, |(_, rows)| rows.len());
        let of = |at: usize| {
            let rows: Vec<&Row> = self.intervals.iter().filter_map(|(_, rows)| rows.get(at)).collect();
            Some((rows.first()?.place.as_deref(), total(&rows)?))
        };
        (0..count).filter_map(of).collect()
    }
}

#[cfg(test)]
#[path = "intervals_tests.rs"]
mod tests;
