//! Plain tables for the commands that do not show results.

use crate::cli::Form;
use crate::exit::refuse;
use crate::output::{print, terminal_width};
use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{ColumnConstraint, ContentArrangement, TableStyle, Width};
use isotare_core::{CsvTable, markdown, visible_line};
use isotare_report::{longest_word, wrap};
use miette::Report;
use serde_json::Value;

/// Rows under headers, and lines below them. Texts are shown literally: hidden characters become visible, and
/// nothing is interpreted as markup or as a formula.
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table with these columns.
    pub fn new(headers: &[&str]) -> Self {
        Self {
            headers: headers.iter().map(|header| visible_line(header).into_owned()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        let cells: Vec<String> = cells.into();
        self.rows.push(cells.iter().map(|cell| visible_line(cell).into_owned()).collect());
    }

    /// Adds a line below the table. Machine-readable formats omit it.
    pub fn note(&mut self, line: impl AsRef<str>) {
        self.notes.push(visible_line(line.as_ref()).into_owned());
    }

    /// Whether there are neither rows nor notes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.notes.is_empty()
    }

    /// Prints it; `json` is the same for programs.
    pub fn show(&self, form: Form, json: &Value) -> Result<(), Report> {
        print(&self.rendered(form, json)?, form)
    }

    /// It as text in this form; `json` is the same for programs.
    pub fn rendered(&self, form: Form, json: &Value) -> Result<String, Report> {
        self.as_wide(form, json, terminal_width())
    }

    /// The same for a terminal of this many columns; `None`: as wide as it is.
    fn as_wide(&self, form: Form, json: &Value, width: Option<u16>) -> Result<String, Report> {
        match form {
            Form::Text => Ok(format!(
                "{}{}",
                self.drawn(NOTHING, str::to_owned, width),
                self.lines("", str::to_owned, width)
            )),
            Form::Markdown => Ok(format!(
                "{}{}",
                self.drawn(ASCII_MARKDOWN, markdown, None),
                self.lines("- ", markdown, None)
            )),
            Form::Csv => self.csv(),
            Form::Json => {
                let text = serde_json::to_string_pretty(json).map_err(|error| refuse(error, ""))?;
                Ok(format!("{text}\n"))
            }
            Form::Html => {
                Err(refuse("this command has no HTML report", "use --format text, json, csv or markdown"))
            }
        }
    }

    fn drawn(&self, style: TableStyle, escaped: fn(&str) -> String, width: Option<u16>) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(style)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(self.headers.iter().map(|header| escaped(header)))
            .add_rows(self.rows.iter().map(|row| row.iter().map(|cell| escaped(cell))));
        match width {
            Some(width) => {
                // Cells are broken at spaces; a table with long words is wider than the terminal.
                let cells =
                    |at: usize| self.rows.iter().chain([&self.headers]).filter_map(move |row| row.get(at));
                let least = |at: usize| cells(at).map(|cell| longest_word(cell)).max().unwrap_or_default();
                table.set_width(width);
                for (at, column) in table.column_iter_mut().enumerate() {
                    let least =
                        u16::try_from(least(at)).unwrap_or(width).saturating_add(column.padding_width());
                    column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
                }
            }
            None => drop(table.set_content_arrangement(ContentArrangement::Disabled)),
        }
        let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        text
    }

    fn lines(&self, bullet: &str, escaped: fn(&str) -> String, width: Option<u16>) -> String {
        let gap = if self.rows.is_empty() || self.notes.is_empty() { "" } else { "\n" };
        let line = |note: &String| {
            if note.is_empty() {
                return "\n".to_owned();
            }
            let line = format!("{bullet}{}", escaped(note));
            width.map_or_else(|| format!("{line}\n"), |width| wrap(&line, "", width))
        };
        let lines: String = self.notes.iter().map(line).collect();
        format!("{gap}{lines}")
    }

    fn csv(&self) -> Result<String, Report> {
        let mut text = Vec::new();
        let mut table = CsvTable::new(&mut text);
        let lines = std::iter::once(&self.headers).chain(&self.rows);
        let written = lines.into_iter().try_for_each(|line| table.line(line)).and_then(|()| table.flush());
        written.map_err(|error| refuse(error, ""))?;
        drop(table);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_given_by_others_are_shown_as_plain_text() {
        let name = "\u{1b}]0;x\u{7}|`<b>\n\u{202e}";
        let mut table = Table::new(&["name"]);
        table.row([name.to_owned()]);
        table.row(["=1+1".to_owned()]);
        table.note(name);
        for form in [Form::Text, Form::Markdown, Form::Csv] {
            let text = table.rendered(form, &Value::Null).expect("rendered");
            assert!(!text.contains(isotare_core::is_hidden), "{text:?}");
            let lines = if form == Form::Csv { 3 } else { 6 };
            assert!(text.lines().count() <= lines, "a name is no line: {text}");
        }
        let text = |form| table.rendered(form, &Value::Null).expect("rendered");
        assert!(text(Form::Text).contains("\\x1b]0;x\\x07|`<b>\\n\\u{202e}"));
        assert!(text(Form::Markdown).contains("\\|\\`&lt;b>"));
        assert!(text(Form::Csv).contains("\n'=1+1\n"));
    }

    #[test]
    fn words_stay_whole_in_a_narrow_terminal() {
        let mut table = Table::new(&["environment", "status", "why not and what to do"]);
        table.row(
            ["qemu:accel=kvm", "unavailable", "/dev/kvm-of-this-host is missing; load a module"]
                .map(str::to_owned),
        );
        table.note("isotare-measures what containers and virtual-machines cost");
        let words: Vec<String> = std::iter::once(&table.headers)
            .chain(&table.rows)
            .flatten()
            .chain(&table.notes)
            .flat_map(|text| text.split(' ').map(str::to_owned))
            .collect();
        for width in [40, 80, 120] {
            let text = table.as_wide(Form::Text, &Value::Null, Some(width)).expect("rendered");
            let shown: Vec<&str> = text.split_whitespace().collect();
            assert!(words.iter().all(|word| shown.contains(&word.as_str())), "{width}:\n{text}");
            let (wide, notes) = text.split_once("\n\n").expect("a table and notes");
            assert!(notes.lines().all(|line| line.chars().count() <= width.into()), "{width}:\n{text}");
            assert!(
                width < 80 || wide.lines().all(|line| line.chars().count() <= width.into()),
                "{width}:\n{text}"
            );
        }
        let piped = table.as_wide(Form::Text, &Value::Null, None).expect("rendered");
        assert_eq!(piped.lines().count(), 4, "{piped}");
    }
}
