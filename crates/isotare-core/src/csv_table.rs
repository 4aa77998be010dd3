//! CSV whose cells a spreadsheet shows as text and does not execute as formulas.

use crate::visible_line;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes rows as CSV, each cell as [`csv_cell`] gives it.
pub struct CsvTable<W: Write> {
    /// Serialized rows, whose cells have not gone through [`csv_cell`] yet.
    raw: csv::Writer<Vec<u8>>,
    out: csv::Writer<W>,
    has_header: bool,
}

/// This many bytes of rows are collected before they go through [`csv_cell`].
const GATHERED: usize = 64 << 10;

impl<W: Write> CsvTable<W> {
    /// An empty table.
    pub fn new(out: W) -> Self {
        Self { raw: raw(), out: csv::Writer::from_writer(out), has_header: false }
    }

    /// A table whose header has been written before.
    pub fn continued(out: W) -> Self {
        Self { has_header: true, ..Self::new(out) }
    }

    /// Adds a line of cells, such as a header.
    pub fn line<Cell: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = Cell>) -> io::Result<()> {
        self.has_header = true;
        self.raw.write_record(cells).map_err(to_io)?;
        self.pass_if_many()
    }

    /// Adds a row: a structure of plain fields, whose names are the header unless there is a line above.
    pub fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        if !self.has_header {
            let mut names = csv::Writer::from_writer(Vec::new());
            names.serialize(row).map_err(to_io)?;
            let text = names.into_inner().map_err(|error| error.into_error())?;
            let header = csv::Reader::from_reader(&text[..]).byte_headers().map_err(to_io)?.clone();
            self.line(&header)?;
        }
        self.raw.serialize(row).map_err(to_io)?;
        self.pass_if_many()
    }

    /// Writes what has been added until now.
    pub fn flush(&mut self) -> io::Result<()> {
        let rows =
            std::mem::replace(&mut self.raw, raw()).into_inner().map_err(|error| error.into_error())?;
        let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&rows[..]);
        let mut line = csv::StringRecord::new();
        while lines.read_record(&mut line).map_err(to_io)? {
            self.out.write_record(line.iter().map(|cell| csv_cell(cell).into_owned())).map_err(to_io)?;
        }
        self.out.flush()
    }

    fn pass_if_many(&mut self) -> io::Result<()> {
        if self.raw.get_ref().len() < GATHERED { Ok(()) } else { self.flush() }
    }
}

fn raw() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().has_headers(false).flexible(true).from_writer(Vec::new())
}

fn to_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A cell that a spreadsheet shows as text. A text that would be a formula gets a single quote in front
/// (OWASP, "CSV Injection"), and hidden characters become escapes ([`visible_line`]). Numbers do not change.
/// [`csv_text`] removes the quote again.
///
/// ```
/// assert_eq!(isotare_core::csv_cell("=HYPERLINK(A1)"), "'=HYPERLINK(A1)");
/// assert_eq!(isotare_core::csv_cell("-1.5e3"), "-1.5e3");
/// ```
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let text = visible_line(text);
    if is_formula(&text) { format!("'{text}").into() } else { text }
}

/// The text of a cell that [`csv_cell`] wrote. Hidden characters stay escapes.
///
/// ```
/// assert_eq!(isotare_core::csv_text("'=1+1"), "=1+1");
/// assert_eq!(isotare_core::csv_text("'quoted'"), "'quoted'");
/// ```
pub fn csv_text(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

/// Whether a spreadsheet would compute it, or whether it is such a text that already has quotes in front.
/// Spreadsheets also accept the wide forms of the signs. A tab or a return in front has become an escape
/// before.
fn is_formula(text: &str) -> bool {
    let begin = text.trim_start_matches('\'');
    let is_number = || {
        let only_digits =
            begin.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        only_digits && begin.parse::<f64>().is_ok()
    };
    begin.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && !is_number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Serialize)]
    struct Row<'a> {
        name: &'a str,
        value: Option<f64>,
    }

    #[test]
    fn no_cell_is_a_formula_in_a_spreadsheet() {
        for (text, expect) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("-2+3", "'-2+3"),
            ("@SUM(1)", "'@SUM(1)"),
            ("＝1", "'＝1"),
            ("-inf", "'-inf"),
            ("\t=1", "\\t=1"),
            ("\r=1", "\\r=1"),
            ("'=1", "''=1"),
            ("-5", "-5"),
            ("+1e-9", "+1e-9"),
            ("'s", "'s"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(csv_cell(text), expect);
        }
    }

    #[test]
    fn rows_have_a_header_and_every_cell_is_protected() {
        let mut out = Vec::new();
        let mut table = CsvTable::new(&mut out);
        for (name, value) in [("=1", Some(-1e-9)), ("a,\"b\"\n", None)] {
            table.row(&Row { name, value }).expect("added");
        }
        table.flush().expect("written");
        table.row(&Row { name: "later", value: None }).expect("added");
        table.flush().expect("written");
        drop(table);
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "name,value\n'=1,-1e-9\n\"a,\"\"b\"\"\\n\",\nlater,\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "['=+@a1. -]{0,6}") {
            let cell = csv_cell(&text);
            prop_assert_eq!(csv_text(&cell), &text);
        }
    }
}
