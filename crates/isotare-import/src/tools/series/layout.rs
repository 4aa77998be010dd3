//! The columns of a table, which are found by their names, and the code that reads rows.

use super::columns::Column;
use super::number::scaled;
use super::subject::Who;

/// The use of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It identifies what a row describes. If there are several such columns, the last one that is not `-` is
    /// used.
    Id(&'static str),
    /// The same, for names with blanks. As the last column it goes to the end of the line.
    Rest(&'static str),
    /// It contains more information about the same thing. As the last column it goes to the end of the line.
    Also(&'static str),
    /// It is not used. As the last column it goes to the end of the line.
    Drop,
    /// It is not used and is blank in some rows. If one such column of a row is blank, all of them are.
    Blank,
    /// It contains numbers.
    Value,
}

/// The columns of a header.
#[derive(Debug)]
pub struct Layout<'t> {
    /// The header without its time.
    pub names: &'t str,
    /// The number of its table.
    pub table: usize,
    parts: Vec<Part>,
    values: Vec<Value>,
    has_rows: bool,
    owner: (&'static str, &'t str),
}

#[derive(Debug)]
struct Value {
    base: Option<f64>,
    /// Whether a row showed that it is a column of words.
    words: bool,
}

/// Whether a field is the rest of the number before it, because a blank separates thousands. This is assumed
/// if the field has three digits, and if a single blank separates it from one to three digits. Columns of
/// monitors have more space between them.
fn is_group(bytes: &[u8], before: usize, begin: usize, end: usize) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let word =
        bytes.get(..before).and_then(|row| row.rsplit(|byte| *byte == b' ').next()).unwrap_or_default();
    let field = bytes.get(begin..end).unwrap_or_default();
    let is_three = digits(field) == 3 && field.get(3).is_none_or(|next| matches!(next, b'.' | b','));
    before > 0
        && begin == before + 1
        && is_three
        && (1..=3).contains(&word.len())
        && digits(word) == word.len()
}

/// The begin and the end of the next field of a row.
fn field(bytes: &[u8], mut at: usize, to_the_end: bool) -> Option<(usize, usize)> {
    while bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let length = match to_the_end {
        true => rest.len(),
        false => rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len()),
    };
    Some((at, at + length))
}

impl<'t> Layout<'t> {
    /// The layout for a header with these names, and the columns that contain numbers. `part`: the use of a
    /// column, from its name, its place and the number of columns.
    pub fn new(names: &'t str, part: fn(&str, usize, usize) -> Part) -> (Self, Vec<Column>) {
        let words: Vec<&str> = names.split_ascii_whitespace().collect();
        let parts: Vec<Part> =
            words.iter().enumerate().map(|(at, name)| part(name, at, words.len())).collect();
        let numbers = words.iter().zip(&parts).filter(|(_, part)| **part == Part::Value);
        let columns: Vec<Column> = numbers.map(|(name, _)| Column::named(name)).collect();
        let values = columns.iter().map(|column| Value { base: column.base(), words: false }).collect();
        (Self { names, table: 0, parts, values, has_rows: false, owner: ("", "") }, columns)
    }

    /// Reads a row. Returns what the row describes, and puts its values into `values`; a missing value is
    /// NaN. `None`: it is not a row of this table.
    pub fn row(&mut self, row: &'t str, signed: bool, values: &mut Vec<f64>) -> Option<Who<'t>> {
        let full = self.fields(row, signed, values, true);
        if full.is_some() || !self.parts.contains(&Part::Blank) {
            return full;
        }
        self.fields(row, signed, values, false)
    }

    fn fields(&mut self, row: &'t str, signed: bool, values: &mut Vec<f64>, full: bool) -> Option<Who<'t>> {
        let bytes = row.as_bytes();
        let (mut at, mut ids) = (0, 0);
        let mut who = Who::default();
        values.clear();
        let is_tail = |part: &Part| matches!(part, Part::Also(_) | Part::Drop | Part::Rest(_));
        let has_tail = self.parts.last().is_some_and(is_tail);
        for (place, part) in self.parts.iter().enumerate().filter(|(_, part)| full || **part != Part::Blank) {
            let last = place + 1 == self.parts.len();
            let (begin, end) = field(bytes, at, last && is_tail(part))?;
            // Without this check, a column of text at the end would hide that the values were shifted.
            if has_tail && !last && is_group(bytes, at, begin, end) {
                return None;
            }
            at = end;
            match *part {
                Part::Value => {
                    let column = self.values.get_mut(values.len())?;
                    values.push(column.read(bytes.get(begin..end)?, signed, self.has_rows)?);
                }
                Part::Drop | Part::Blank => {}
                Part::Also(label) => {
                    let name = row.get(begin..end)?.trim_ascii_end();
                    who.also = (label, name.strip_prefix("|__").unwrap_or(name));
                }
                Part::Id(kind) | Part::Rest(kind) => {
                    ids += 1;
                    let id = row.get(begin..end)?.trim_ascii_end();
                    match (id, ids) {
                        ("-", _) => {}
                        (_, 1) => (who.kind, who.id, self.owner) = (kind, id, (kind, id)),
                        _ => (who.kind, who.id, who.of) = (kind, id, self.owner),
                    }
                }
            }
        }
        self.has_rows = true;
        bytes.get(at..)?.trim_ascii().is_empty().then_some(who)
    }

    /// Reads a row that does not contain what it describes. Returns whether it is a row of this table.
    pub fn numbers(&mut self, row: &str, values: &mut Vec<f64>) -> bool {
        values.clear();
        let mut words = row.split_ascii_whitespace();
        for column in &mut self.values {
            match words.next().and_then(|word| column.read(word.as_bytes(), true, self.has_rows)) {
                Some(value) => values.push(value),
                None => return false,
            }
        }
        self.has_rows = true;
        words.next().is_none()
    }
}

impl Value {
    fn read(&mut self, word: &[u8], signed: bool, has_rows: bool) -> Option<f64> {
        match scaled(word, self.base) {
            Some(value) if value >= 0.0 || signed => Some(value),
            Some(_) => Some(f64::NAN),
            None if word == b"-" || self.words => Some(f64::NAN),
            None if !has_rows && word.iter().all(u8::is_ascii_alphabetic) => {
                self.words = true;
                Some(f64::NAN)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, _: usize, _: usize) -> Part {
        match name {
            "TGID" => Part::Id("pid"),
            "TID" => Part::Id("tid"),
            "Command" => Part::Also("command"),
            _ => Part::Value,
        }
    }

    #[test]
    fn rows_are_read_according_to_the_names_of_columns() {
        let (mut layout, columns) = Layout::new(" TGID TID policy kB_rd/s  Command", part);
        assert_eq!(columns.iter().map(|column| column.unit).collect::<Vec<_>>(), ["", "kB/s"]);
        let mut values = Vec::new();
        let who = layout.row(" 12 - NORMAL 1,50 a command ", false, &mut values).expect("a row");
        assert_eq!((who.kind, who.id, who.also, who.of), ("pid", "12", ("command", "a command"), ("", "")));
        assert!(values[0].is_nan() && values[1] == 1.5);
        let who = layout.row(" - 13 FIFO -1.00 |__b", false, &mut values).expect("a row");
        assert_eq!((who.kind, who.id, who.also, who.of), ("tid", "13", ("command", "b"), ("pid", "12")));
        assert!(values[1].is_nan());
        for row in ["", " 12 - NORMAL", " 12 - NORMAL 1.5", " 12 - NORMAL 1.5.0 a", " 12 - NORMAL x a"] {
            assert_eq!(layout.row(row, false, &mut values), None, "{row}");
        }
    }

    #[test]
    fn a_row_with_more_fields_than_its_header_is_refused() {
        let (mut layout, _) = Layout::new("a b", part);
        assert!(layout.row("1 2 ", true, &mut Vec::new()).is_some());
        assert!(layout.row("1 2 3", true, &mut Vec::new()).is_none());
    }
}
