//! Plain tables for the verbs that are not about results.

use crate::cli::Form;
use crate::exit::refuse;
use crate::output::print;
use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{ContentArrangement, TableStyle};
use miette::Report;
use serde_json::Value;

/// Rows under headers, and lines below them.
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table with these columns.
    pub fn new(headers: &[&str]) -> Self {
        Self {
            headers: headers.iter().map(|&header| header.to_owned()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Adds a line below the table; machine-readable forms leave it out.
    pub fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Whether there are neither rows nor notes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.notes.is_empty()
    }

    /// Prints it; `json` is the same for programs.
    pub fn show(&self, form: Form, json: &Value) -> Result<(), Report> {
        print(&self.rendered(form, json)?)
    }

    /// It as text in this form; `json` is the same for programs.
    pub fn rendered(&self, form: Form, json: &Value) -> Result<String, Report> {
        match form {
            Form::Text => Ok(format!("{}{}", self.drawn(NOTHING), self.lines(""))),
            Form::Markdown => Ok(format!("{}{}", self.drawn(ASCII_MARKDOWN), self.lines("- "))),
            Form::Csv => self.csv(),
            Form::Json => {
                let text = serde_json::to_string_pretty(json).map_err(|error| refuse(error, ""))?;
                Ok(format!("{text}\n"))
            }
            Form::Html => Err(refuse("this verb has no page", "use --format text, json, csv or markdown")),
        }
    }

    fn drawn(&self, style: TableStyle) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(style)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(&self.headers)
            .add_rows(&self.rows);
        let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        text
    }

    fn lines(&self, bullet: &str) -> String {
        let gap = if self.rows.is_empty() || self.notes.is_empty() { "" } else { "\n" };
        let lines: String = self.notes.iter().map(|note| format!("{bullet}{note}\n")).collect();
        format!("{gap}{lines}")
    }

    fn csv(&self) -> Result<String, Report> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut written = writer.write_record(&self.headers);
        for row in &self.rows {
            written = written.and_then(|()| writer.write_record(row));
        }
        written.map_err(|error| refuse(error, ""))?;
        let bytes = writer.into_inner().map_err(|error| refuse(error, ""))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
