//! The tables for people.

use super::{MIXED, rate_of, with_processes};
use crate::{Metric, Run};

/// The columns of a table. The first column, with the names, is not counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Header<'a> {
    /// Block sizes: `type 16 bytes 64 bytes …`.
    Blocks(Vec<&'a str>),
    /// Operations: `sign verify sign/s verify/s`.
    Operations(Vec<&'a str>),
}

impl Header<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Blocks(columns) | Self::Operations(columns) => columns.len(),
        }
    }
}

/// The columns, if this line is the header of a table.
pub fn header(line: &str) -> Option<Header<'_>> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if let ["type", rest @ ..] = words.as_slice() {
        let (pairs, odd) = rest.as_chunks::<2>();
        let is_blocks =
            |[size, unit]: &[&str; 2]| *unit == "bytes" && size.bytes().all(|byte| byte.is_ascii_digit());
        return (odd.is_empty() && !pairs.is_empty() && pairs.iter().all(is_blocks))
            .then(|| Header::Blocks(pairs.iter().map(|[size, _]| *size).collect()));
    }
    let is_column = |word: &&str| rate_of(word).is_some() || matches!(*word, "signs");
    let is_header =
        line.starts_with(' ') && words.iter().all(is_column) && words.iter().any(|word| word.ends_with("/s"));
    is_header.then_some(Header::Operations(words))
}

/// The name and the values of a row. Each value must have the format of its column.
pub fn row<'a>(header: &Header<'_>, line: &'a str) -> Option<(&'a str, Vec<&'a str>)> {
    let mut rest = line.trim_end();
    let mut values = Vec::new();
    for _ in 0..header.len() {
        let (before, value) = rest.rsplit_once(char::is_whitespace)?;
        values.push(value);
        rest = before.trim_end();
    }
    values.reverse();
    let fits = match header {
        Header::Blocks(_) => values.iter().all(|value| is_number(value.strip_suffix('k'))),
        Header::Operations(columns) => {
            columns.iter().zip(&values).all(|(column, value)| match column.ends_with("/s") {
                true => is_number(Some(value)),
                false => is_number(value.strip_suffix('s')),
            })
        }
    };
    (fits && !rest.is_empty()).then_some((rest.trim_start(), values))
}

/// Whether a text is a number with a point, or a word that is printed in place of a number.
fn is_number(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        text.contains('.') && text.parse::<f64>().is_ok() || matches!(text, "inf" | "nan" | "-nan")
    })
}

/// A row that has been read, with its runs.
struct Row<'a> {
    name: &'a str,
    runs: Vec<Run>,
}

/// The table that is being read.
#[derive(Default)]
pub struct Table<'a> {
    line: usize,
    header: Option<Header<'a>>,
    processes: Option<u32>,
    /// Whether its block sizes are from another line. Then the table may have no rows.
    pub is_implied: bool,
    rows: Vec<Row<'a>>,
    cut_off: Option<Run>,
}

impl<'a> Table<'a> {
    pub fn new(line: usize, header: Header<'a>, processes: Option<u32>) -> Self {
        Self { line, header: Some(header), processes, ..Self::default() }
    }

    pub fn take(&mut self, at: usize, line: &'a str, is_whole: bool) {
        let Some(header) = &self.header else { return };
        match row(header, line) {
            // The last number of the text may be cut, except if `k` follows it.
            Some((name, values)) if is_whole || matches!(header, Header::Blocks(_)) => {
                let runs = runs(at, header, name, &values);
                self.rows.push(Row { name, runs });
            }
            Some(_) => self.cut_off = Some(Run::incomplete(at, CUT_OFF)),
            None if !is_whole && line.split_ascii_whitespace().count() > 1 => {
                self.cut_off = Some(Run::incomplete(at, CUT_OFF));
            }
            None => {}
        }
    }

    pub fn close(&mut self, all: &mut Vec<Run>) {
        let table = std::mem::take(self);
        if table.header.is_none() {
            return;
        }
        if table.rows.is_empty() && table.cut_off.is_none() && !table.is_implied {
            all.push(Run::incomplete(table.line, "its table has no rows"));
        }
        let mut names: Vec<&str> = table.rows.iter().map(|row| row.name).collect();
        names.sort_unstable();
        let is_twice = |name: &str| {
            let after = names.partition_point(|other| *other <= name);
            after - names.partition_point(|other| *other < name) > 1
        };
        for row in table.rows {
            let is_twice = is_twice(row.name);
            all.extend(row.runs.into_iter().map(|run| {
                let run = match is_twice {
                    true => Run { labels: run.labels, ..Run::incomplete(run.line, MIXED) },
                    false => run,
                };
                with_processes(run, table.processes)
            }));
        }
        all.extend(table.cut_off);
    }
}

const CUT_OFF: &str = "its row is incomplete";

fn runs(at: usize, header: &Header<'_>, name: &str, values: &[&str]) -> Vec<Run> {
    match header {
        Header::Blocks(sizes) => {
            let cell = |(size, value): (&&str, &&str)| {
                let rate = value.trim_end_matches('k').parse::<f64>().unwrap_or(f64::NAN) * 1e3;
                throughput(at, rate).with("test", name).with("block_size", *size)
            };
            sizes.iter().zip(values).map(cell).collect()
        }
        Header::Operations(columns) => {
            let rate = |(column, value): (&&str, &&str)| {
                let name = column.ends_with("/s").then(|| rate_of(column))??;
                Some(Metric::higher(name, "1/s", value.parse().unwrap_or(f64::NAN)))
            };
            // Some versions print `rsa  2048 bits`, with two blanks.
            let name = name.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            let run = rates(at, columns.iter().zip(values).filter_map(rate).collect()).with("test", name);
            // Both kinds of keys have rows with the same names.
            vec![match (columns.contains(&"encaps"), columns.contains(&"keygen")) {
                (true, _) => run.with("kind", "kem"),
                (false, true) => run.with("kind", "signature"),
                _ => run,
            }]
        }
    }
}

/// The throughput in bytes, if the rate is above zero.
pub fn throughput(at: usize, rate: f64) -> Run {
    match rate > 0.0 {
        true => Run::complete(at, vec![Metric::higher("throughput", "B/s", rate)]),
        false => Run::unreadable(at, "nothing was processed"),
    }
}

/// Rates of operations. A zero means that the operation was not measured.
pub fn rates(at: usize, mut metrics: Vec<Metric>) -> Run {
    metrics.retain(|metric| metric.value != 0.0);
    match metrics.is_empty() {
        false => Run::complete(at, metrics),
        true => Run::unreadable(at, "nothing was processed"),
    }
}
