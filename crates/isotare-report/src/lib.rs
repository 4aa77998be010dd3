//! Makes reports for people and programs from the record of a session. It only converts values to text and
//! never reads anything from the system.
//!
//! [`analyse`] analyzes the trials and returns a [`Report`]. [`render`] writes it in one of the [`Format`]s.
//!
//! ```
//! use isotare_report::{Format, Options, Report, render};
//!
//! fn page(report: &Report) -> Result<String, isotare_report::RenderError> {
//!     render(report, Format::Html, &Options::default())
//! }
//! ```

mod analysis;
mod csv;
mod diff;
mod diff_forms;
mod disturbance;
mod extent;
mod figure;
mod group;
mod html;
mod json;
mod markdown;
mod output;
mod plot;
mod quantity;
mod report;
mod text;
mod words;

pub use analysis::{RECORDS, analyse, analyse_values, diff, different_work, judge_work};
pub use diff::{Diff, DiffRow, DiffSide, Difference, Incomparable, Overhead, What};
pub use disturbance::{Disturbance, DisturbanceRow, Drift, Stopping};
pub use output::{CutOutput, OutputRow, StreamRow};
pub use plot::Glyphs;
pub use report::{
    BaselineRow, CpuRow, EnvironmentStatus, LIFECYCLE, Ledger, LedgerRow, LifecycleRow, MarkRow, NullStatus,
    NullTest, OutcomeCounts, PhaseRow, Report, ResultRow, SCHEMA_VERSION, SampleRow, Status, TrialRow,
    Warning, WarningKind, workload_label,
};
pub use text::{longest_word, wrap};

/// Formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tables for a terminal.
    Text,
    /// Everything, for programs: the complete [`Report`].
    Json,
    /// The results, for spreadsheets and statistics programs.
    Csv,
    /// Tables for an issue or a repository.
    Markdown,
    /// A page with figures that needs no other file.
    Html,
}

/// What the user's terminal can show. Only [`Format::Text`] uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal.
    pub width: u16,
    /// Whether colours may be used.
    pub color: bool,
    /// Whether intervals are drawn beside the rows, where there is room.
    pub plot: Option<Glyphs>,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 100, color: false, plot: None }
    }
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As JSON.
    #[error("write the report as JSON")]
    Json(#[source] serde_json::Error),
    /// As CSV.
    #[error("write the report as CSV")]
    Csv(#[source] std::io::Error),
    /// A figure of the page.
    #[error("draw a figure")]
    Figure(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Writes the comparison of two sessions.
pub fn render_diff(diff: &Diff, format: Format, options: &Options) -> Result<String, RenderError> {
    match format {
        Format::Text => Ok(diff_forms::text(diff, options)),
        Format::Json => json::render(diff),
        Format::Csv => {
            let sessions = format!("{}..{}", diff.before.session, diff.after.session);
            csv::lines(&sessions, diff.emulated, diff.results.iter().map(|row| &row.row))
        }
        Format::Markdown => Ok(diff_forms::markdown(diff)),
        Format::Html => Ok(html::diff(diff)),
    }
}

/// Writes a report.
pub fn render(report: &Report, format: Format, options: &Options) -> Result<String, RenderError> {
    match format {
        Format::Text => Ok(text::render(report, options)),
        Format::Json => json::render(report),
        Format::Csv => csv::render(report),
        Format::Markdown => Ok(markdown::render(report)),
        Format::Html => html::render(report),
    }
}
