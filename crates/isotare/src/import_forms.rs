//! What was imported, in every form.

use crate::cli::Form;
use crate::exit::{fault, refuse};
use crate::output::defect;
use crate::table::Table;
use isotare_import::{FileRead, Run, Status};
use isotare_report::{Options, Report as Comparison, render};
use miette::Report;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// At most this many problems of a file are shown.
const NOTES: usize = 10;

/// The contents of the files, and the comparison.
#[derive(Serialize)]
pub struct Found {
    /// Each file.
    pub files: Vec<FileRead>,
    /// Their runs compared, if labels say what ran where.
    pub comparison: Option<Comparison>,
    /// What was left out or assumed for it.
    pub warnings: Vec<String>,
}

impl Found {
    /// Everything in this form.
    pub fn rendered(&self, form: Form, options: &Options) -> Result<String, Report> {
        let comparison =
            || self.comparison.as_ref().map(|found| render(found, form.into(), options)).transpose();
        match form {
            Form::Json => {
                let text = serde_json::to_string_pretty(self)
                    .map_err(|error| fault(error, "this is a bug in isotare; please report it"))?;
                Ok(format!("{text}\n"))
            }
            Form::Csv => self.numbers().rendered(form, &json!(null)),
            Form::Html => comparison().map_err(defect)?.ok_or_else(|| {
                let remedy = "say in which environment each run was made: --label environment=…, --pattern \
                              '{environment}-{iteration}.txt' or --manifest";
                refuse("an HTML report needs a comparison, but nothing could be compared", remedy)
            }),
            Form::Text | Form::Markdown => {
                let files = self.overview().rendered(form, &json!(null))?;
                let comparison = comparison().map_err(defect)?;
                Ok(comparison.map_or(files.clone(), |comparison| format!("{files}\n{comparison}")))
            }
        }
    }

    /// A row for each file, and what is wrong below.
    fn overview(&self) -> Table {
        let mut table = Table::new(&["file", "tool", "version", "complete", "incomplete", "unreadable"]);
        for file in &self.files {
            table.row([
                file.file.clone(),
                file.tool.unwrap_or("–").to_owned(),
                file.version.clone().unwrap_or_else(|| "–".to_owned()),
                file.complete.to_string(),
                file.incomplete.to_string(),
                file.unreadable.to_string(),
            ]);
            let unusable = file.runs.iter().filter(|run| run.status != Status::Complete).map(|run| {
                let status = if run.status == Status::Incomplete { "incomplete" } else { "unreadable" };
                format!("line {}: {status}: {}", run.line, run.reason.as_deref().unwrap_or_default())
            });
            let notes: Vec<String> = unusable.chain(file.warnings.iter().cloned()).collect();
            for note in notes.iter().take(NOTES) {
                table.note(format!("{}: {note}", file.file));
            }
            if let Some(more) = notes.len().checked_sub(NOTES).filter(|more| *more > 0) {
                table.note(format!("{}: {more} more of these; --format json shows all", file.file));
            }
        }
        for warning in &self.warnings {
            table.note(warning.clone());
        }
        table
    }

    /// A row for each number, with a column for each label.
    fn numbers(&self) -> Table {
        let runs = || self.files.iter().flat_map(|file| file.runs.iter().map(move |run| (file, run)));
        let labels: BTreeSet<&str> =
            runs().flat_map(|(_, run)| run.labels.keys().map(String::as_str)).collect();
        let mut headers = vec!["file", "tool", "version", "line"];
        headers.extend(&labels);
        headers.extend(["metric", "unit", "value"]);
        let mut table = Table::new(&headers);
        for (file, run) in runs() {
            for metric in &run.metrics {
                let mut cells = head(file, run);
                cells.extend(labels.iter().map(|label| run.labels.get(*label).cloned().unwrap_or_default()));
                cells.extend([metric.name.to_string(), metric.unit.to_string(), metric.value.to_string()]);
                table.row(cells);
            }
        }
        table
    }
}

fn head(file: &FileRead, run: &Run) -> Vec<String> {
    let version = file.version.clone().unwrap_or_default();
    vec![file.file.clone(), file.tool.unwrap_or_default().to_owned(), version, run.line.to_string()]
}
