//! Code that decoders of reports share: lines of the form `word: value`, the block of such lines that each
//! run has, and checks of the content.

use crate::grouping::is_split;
use crate::{Metric, Run};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A line with its number, from 1.
pub type Line<'a> = (usize, &'a str);

/// The complete lines of a text. Text after the last line feed may be incomplete. It is not used, because a
/// number that was cut is wrong.
pub fn whole_lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.zip(1..).map(|(line, number)| (number, line))
}

/// The blocks of a text. Each block goes from a line that begins a run to the next such line. Lines before
/// the first block are left out.
pub fn blocks(text: &str, mut begins: impl FnMut(&str) -> bool) -> Vec<Vec<Line<'_>>> {
    let mut found: Vec<Vec<Line<'_>>> = Vec::new();
    for line in whole_lines(text) {
        if begins(line.1) {
            found.push(vec![line]);
        } else if let Some(block) = found.last_mut() {
            block.push(line);
        }
    }
    found
}

/// Why a run has no numbers.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// The run is incomplete, or mixed with another run.
    Incomplete(String),
    /// The run contradicts itself, or it failed.
    Unreadable(String),
}

impl Fault {
    /// The run is incomplete, or mixed with another run.
    pub fn incomplete(why: impl Into<String>) -> Self {
        Self::Incomplete(why.into())
    }

    /// The run contradicts itself, or it failed.
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self::Unreadable(why.into())
    }
}

/// The run that begins on this line, with its metrics or the reason why it has none.
pub fn run(line: usize, labels: BTreeMap<String, String>, found: Result<Vec<Metric>, Fault>) -> Run {
    let mut run = match found {
        Ok(metrics) => Run::complete(line, metrics),
        Err(Fault::Incomplete(why)) => Run::incomplete(line, why),
        Err(Fault::Unreadable(why)) => Run::unreadable(line, why),
    };
    run.labels = labels;
    run
}

/// The text after each of these words. A word must be at the beginning of a line, and the first word that
/// fits is used. If a word occurs twice in one run, the lines of two runs are mixed. A number that is split
/// into groups is not used, because its first group is not the number.
pub fn fields<'a>(
    lines: &[Line<'a>],
    words: &[&'static str],
) -> Result<BTreeMap<&'static str, &'a str>, Fault> {
    let mut found = BTreeMap::new();
    for (number, line) in lines {
        let line = line.trim();
        let value = words.iter().find_map(|word| Some((*word, line.strip_prefix(word)?)));
        if let Some((_, value)) = value
            && is_split(value)
        {
            let why = "has a space between thousands, which the tool does not print";
            return Err(Fault::unreadable(format!("line {number}: '{}' {why}", value.trim())));
        }
        if let Some((word, value)) = value
            && found.insert(word, value.trim()).is_some()
        {
            let word = word.trim_end_matches([' ', ':', '=']);
            return Err(mixed(format!("line {number}: '{word}' occurs twice")));
        }
    }
    Ok(found)
}

/// The fault of lines of two runs that are mixed.
pub fn mixed(what: impl std::fmt::Display) -> Fault {
    Fault::Incomplete(format!("its lines are mixed with those of another run ({what})"))
}

/// A finite number, as printed by tools that do not use the locale: with a decimal point, and without
/// separators of thousands.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// A finite number of a tool that uses the locale: with a point or a comma.
pub fn decimal(text: &str) -> Option<f64> {
    number(&text.replace(',', "."))
}

/// The number at the beginning of a text, up to the first blank; `None` for `1 234 requests`, where the first
/// word is only a group of the number.
pub fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next().filter(|_| !is_split(text)).and_then(number)
}

/// A metric for a time in seconds. A zero is left out: it means that the tool could not resolve the time.
pub fn time(name: impl Into<Cow<'static, str>>, seconds: Option<f64>) -> Option<Metric> {
    seconds.filter(|&seconds| seconds > 0.0).map(|seconds| Metric::lower(name, "s", seconds))
}

/// A metric for a number of things, of which fewer is better.
pub fn count(name: impl Into<Cow<'static, str>>, value: Option<f64>) -> Option<Metric> {
    value.map(|value| Metric::lower(name, "", value))
}

/// Whether the values that exist ascend.
pub fn ascend(values: &[Option<f64>]) -> bool {
    let there: Vec<f64> = values.iter().flatten().copied().collect();
    there.windows(2).all(|pair| pair[0] <= pair[1])
}

/// Whether two numbers agree. They may differ by `part` times the second one, and by `rounding`.
pub fn agree(one: f64, other: f64, part: f64, rounding: f64) -> bool {
    (one - other).abs() <= other.abs() * part + rounding
}

/// The name of a percentile: `p50` of `50` and `50.000`, `p999` of `99.9`, `max` of `100`.
pub fn percentile(text: &str) -> Option<String> {
    let value = number(text).filter(|value| (0.0..=100.0).contains(value))?;
    let digits = value.to_string().replace('.', "");
    Some(if value == 100.0 { "max".to_owned() } else { format!("p{digits}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_occurs_twice_shows_mixed_runs() {
        let lines = [(1, "a: 1"), (2, "  b = 2 "), (3, "a: 3")];
        let found = fields(&lines[..2], &["a:", "b ="]).expect("two words");
        assert_eq!(found, BTreeMap::from([("a:", "1"), ("b =", "2")]));
        let why = "its lines are mixed with those of another run (line 3: 'a' occurs twice)".to_owned();
        assert_eq!(fields(&lines, &["a:"]), Err(Fault::Incomplete(why)));
        assert!(
            matches!(fields(&[(4, "a: 1 234 [#/sec]")], &["a:"]), Err(Fault::Unreadable(why)) if why.contains("line 4: '1 234"))
        );
    }

    #[test]
    fn percentiles_have_one_name_each() {
        let names = ["50", "50.000", "99.9", "99.990", "99.999", "100.000", "101", "nan", ""];
        let expect = ["p50", "p50", "p999", "p9999", "p99999", "max", "", "", ""];
        assert_eq!(names.map(|name| percentile(name).unwrap_or_default()), expect);
    }

    #[test]
    fn only_finite_numbers_are_read() {
        assert_eq!(
            ["1,5", "2.5", "inf", "nan", "-nan", "x", ""].map(number),
            [None, Some(2.5), None, None, None, None, None]
        );
        assert_eq!(["1,5", "2.5", "1,234,5", ""].map(decimal), [Some(1.5), Some(2.5), None, None]);
    }

    #[test]
    fn the_first_group_of_a_number_is_not_a_number() {
        assert_eq!(
            ["1 234 requests", "1234 requests", "1 234,5", "12 requests", "1,234 requests"].map(first_number),
            [None, Some(1234.0), None, Some(12.0), None]
        );
    }

    #[test]
    fn a_line_without_an_end_is_left_out() {
        assert_eq!(whole_lines("a\nb\nc").collect::<Vec<_>>(), [(1, "a"), (2, "b")]);
    }
}
