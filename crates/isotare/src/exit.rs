//! Exit codes, all of them, and how an error becomes one.

use miette::{Diagnostic, Report};
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Done, but some trials did not complete.
    Incomplete = 1,
    /// Usage or bad input.
    BadInput = 2,
    /// Nothing could be measured.
    NothingMeasured = 3,
    /// Done, and something costs more than before.
    Regression = 4,
    /// Done, and known overheads were missed more often than chance allows (selftest).
    NotRecovered = 5,
    /// Stopped by the user (128 + SIGINT).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error with its remedy.
#[derive(Debug)]
pub struct Refusal {
    what: String,
    remedy: String,
}

impl std::error::Error for Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl Diagnostic for Refusal {
    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        (!self.remedy.is_empty()).then(|| Box::new(&self.remedy) as Box<dyn std::fmt::Display>)
    }
}

/// An error that says what is wrong and what to do.
pub fn refuse(what: impl std::fmt::Display, remedy: impl Into<String>) -> Report {
    Report::new(Refusal { what: what.to_string(), remedy: remedy.into() })
}

/// Shows an error and gives the exit code for bad input.
#[expect(clippy::print_stderr, reason = "this is where errors reach the user")]
pub fn report(error: &Report) -> ExitCode {
    eprintln!("{error:?}");
    Exit::BadInput.into()
}
