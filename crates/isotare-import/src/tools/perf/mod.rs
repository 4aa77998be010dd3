//! `perf stat`: its text, `-x` (rows with a separator) and `-j` (JSON rows), each with `-I` too.
//!
//! Numbers in the text have the format of the locale. Since 4.19 the unit of the task clock is before its
//! name, and the times of the user and the system follow at the end (`tools/perf/util/stat-display.c`). The
//! rows of `-x` and `-j` have no header, no title and no end mark. Values that perf computes from counters
//! (the column after `#`) are not read.

mod intervals;
mod rows;
mod text;
mod totals;

use crate::grouping::are_thousands;
use crate::tools::{Tool, sound::sound};
use crate::{Decoded, Metric};
use std::borrow::Cow;

/// perf.
pub static PERF: Tool = Tool {
    name: "perf",
    summary: "perf stat: text, rows of -x and -j, intervals of -I; with a warning about counters that were \
              not counted",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    head.lines().any(|line| line.trim_start().starts_with(text::TITLE) || line.starts_with(text::FAILED))
        || (head.contains("\"counter-value\"") && head.contains("\"event\""))
        || head.lines().any(text::is_interval_title)
        || rows::separator(head).is_some()
}

fn decode(text: &str) -> Decoded {
    let mut found = totals::merge(intervals::of_text(text), text::decode(text));
    if found.runs.is_empty() {
        found = rows::decode(text);
    }
    sound(found)
}

/// The count of an event.
enum Count {
    Counted(f64),
    /// Why there is no count: `<not supported>`, `<not counted>`.
    Not(&'static str),
}

impl Count {
    fn new(text: &str) -> Option<Self> {
        match text {
            "<not supported>" => Some(Self::Not("not supported")),
            "<not counted>" => Some(Self::Not("not counted")),
            text => number(text).map(Self::Counted),
        }
    }
}

/// A counter with its number, or without one.
struct Counter {
    line: usize,
    event: String,
    unit: String,
    count: Count,
    /// Standard error of the mean over the repetitions of `-r`, in per cent of the mean.
    noise: Option<f64>,
    /// Share of the time in which it was counted, in per cent. perf scales the number up to the whole time.
    counted: Option<f64>,
    /// Whether the unit is after the name: `task-clock (msec)`, up to 4.18.
    unit_was_behind: bool,
}

impl Counter {
    fn metrics(&self) -> Vec<Metric> {
        let Count::Counted(value) = self.count else { return Vec::new() };
        let (unit, scale): (Cow<'static, str>, f64) = match self.unit.as_str() {
            "msec" => ("s".into(), 1e-3),
            "ns" => ("s".into(), 1e-9),
            unit => (unit.to_owned().into(), 1.0),
        };
        let mut metrics = vec![Metric::lower(self.event.clone(), unit, value * scale)];
        let noise =
            self.noise.map(|noise| Metric::lower(format!("{}_relative_error", self.event), "%", noise));
        metrics.extend(noise);
        metrics
    }

    fn warning(&self) -> Option<String> {
        let Self { line, event, .. } = self;
        match (&self.count, self.counted) {
            (Count::Not(why), _) => Some(format!("line {line}: {event} was {why}")),
            (Count::Counted(_), Some(share)) if share < 100.0 => {
                Some(format!("line {line}: {event} was counted only {share} % of the time, and scaled"))
            }
            _ => None,
        }
    }
}

/// A number in the format of any locale: `1,234,567`, `1.234.567`, `1 234,56`, `12,34,567`. perf prints whole
/// numbers, or two decimals. So three digits after a single separator are thousands.
fn number(text: &str) -> Option<f64> {
    let groups: Vec<&str> = text.split(|letter: char| !letter.is_ascii_digit()).collect();
    let marks: Vec<char> = text.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let (Some((last, whole)), Some((&mark, others))) = (groups.split_last(), marks.split_last()) else {
        return parse(text);
    };
    let may_be_decimal = matches!(mark, '.' | ',') && !others.contains(&mark);
    let is_decimal = may_be_decimal
        && (last.len() != 3
            || !others.is_empty()
            || whole.iter().any(|group| group.len() > 3 || *group == "0"));
    let (whole, between, decimals) = match is_decimal {
        true => (whole, others, *last),
        false => (groups.as_slice(), marks.as_slice(), "0"),
    };
    let is_one_mark =
        between.iter().all(|mark| [' ', '.', ','].contains(mark) && between.first() == Some(mark));
    let is_known = is_one_mark && (between.is_empty() || are_thousands(whole)) && !decimals.is_empty();
    if is_known { parse(&format!("{}.{decimals}", whole.concat())) } else { None }
}

/// A number with any number of decimals and without separators of thousands.
fn decimal(text: &str) -> Option<f64> {
    parse(&text.replace(',', "."))
}

fn parse(text: &str) -> Option<f64> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains(['e', 'E']);
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status::{self, Complete, Incomplete};
    use crate::read;

    #[test]
    fn numbers_are_read_in_every_locale() {
        for (text, expect) in [
            ("1234567", Some(1_234_567.0)),
            ("1,234,567", Some(1_234_567.0)),
            ("1.234.567", Some(1_234_567.0)),
            ("1 234 567", Some(1_234_567.0)),
            ("1 234,56", Some(1234.56)),
            ("12,34,567", Some(1_234_567.0)),
            ("0,420", Some(0.42)),
            ("1.234,56", Some(1234.56)),
            ("1,234.56", Some(1234.56)),
            ("1,234", Some(1234.0)),
            ("0,42", Some(0.42)),
            ("1234.000000", Some(1234.0)),
            ("1,23,45", None),
            ("1'2'3", None),
            ("1 234'567", None),
            ("1,234,56.7", None),
            ("1234,567,890", None),
            ("1,", None),
            ("", None),
            ("nan", None),
            ("-1", None),
            (".", None),
        ] {
            assert_eq!(number(text), expect, "{text}");
        }
    }

    fn check(text: &str, expect: &[Status]) {
        let found: Vec<Status> = decode(text).runs.iter().map(|run| run.status).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn a_counter_that_was_not_always_active_causes_a_warning() {
        let text = " Performance counter stats for 'a b':\n\n  1,234  cycles:u   #  1.2 GHz  ( +-  2.50% )  (45.67%)\n\
                    \x20 77  branches  [33.30%]\n   <not counted>  cpu_core/r1a8/ (0.00%)\n  5  cycles [cpu_atom]\n\n\
                    \x20 1.000000000 seconds time elapsed\n\n";
        let found = decode(text);
        let numbers: Vec<_> =
            found.runs.iter().flat_map(|run| &run.metrics).map(|m| (m.name.as_ref(), m.value)).collect();
        let expect = [
            ("cycles:u", 1234.0),
            ("cycles:u_relative_error", 2.5),
            ("branches", 77.0),
            ("cycles [cpu_atom]", 5.0),
            ("total_time", 1.0),
        ];
        assert_eq!(numbers, expect);
        assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
    }

    /// From a bug report: for numbers with blanks between their thousands, only the first group was read.
    #[test]
    fn thousands_are_read_with_every_separator_or_refused() {
        for between in [' ', '\u{a0}', '\u{202f}', '\u{2009}', '.', ',', '\'', '\u{2019}'] {
            let number = |groups: &str| groups.replace('_', &between.to_string());
            let decimal = if matches!(between, ',' | '\'' | '\u{2019}') { '.' } else { ',' };
            let text = format!(
                " Performance counter stats for 'a' (3 runs):\n\n  {}{decimal}56 msec task-clock  #  1.2 CPUs  ( +-  2{decimal}50% )\n  {}  \
                 cycles:u\n  {}  [1mbranches  (45{decimal}67%)\n\n 1{decimal}000000000 seconds time elapsed  ( +-  0{decimal}10% )\n\n",
                number("1_234"),
                number("12_345_678"),
                number("234"),
            )
            .replace("[1m", "");
            let run = read("", text.as_bytes(), None).runs.remove(0);
            let value =
                |name: &str| run.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
            assert_eq!(
                [value("task-clock"), value("cycles:u"), value("branches"), value("total_time")],
                [Some(1234.56 * 1e-3), Some(12_345_678.0), Some(234.0), Some(1.0)],
                "{text}"
            );
            let rows = format!(
                "#           time             counts unit events\n     1.000100000  {}      cycles\n",
                number("1_234_567")
            );
            let run = read("", rows.as_bytes(), None).runs.remove(0);
            assert_eq!(run.metrics.first().map(|metric| metric.value), Some(1_234_567.0), "{rows}");
        }
        for odd in ["12 3 456", "12 34", "1 234'567", "1\u{3000}234"] {
            let text = format!(
                " Performance counter stats for 'a':\n\n  {odd}  cycles\n  5  branches\n\n 1.000000000 seconds time elapsed\n\n"
            );
            check(&text, &[Status::Unreadable]);
        }
    }

    #[test]
    fn rows_in_another_order_are_mixed() {
        let row = |event: &str| format!("1,,{event},5,100.00,,\n");
        let rows = |events: &str| events.split(' ').map(row).collect::<String>();
        check(&rows("a b a b"), &[Complete, Complete]);
        check(&rows("a b a"), &[Complete, Incomplete]);
        check(&rows("a a b b"), &[Incomplete, Incomplete, Incomplete]);
        check(rows("a b").trim_end(), &[Incomplete]);
        check("1,,cpu/event=0x3c,umask=0x0/,5,100.00,,\n1,,a,/my/group,5,100.00,,\n", &[Complete, Complete]);
        check("{\"counter-value\" : \"1\", \"event\" : \"a\"}\n{\"counter-value\" : \"1", &[Incomplete]);
    }
}
