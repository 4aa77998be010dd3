//! Exit codes, all of them, and how an error becomes one.

use crate::output::{say, say_styled};
use isotare_core::is_hidden;
use isotare_store::StoreError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Report};
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
    /// Done, and an overhead has increased.
    Regression = 4,
    /// Done, and known overheads were missed more often than chance allows (selftest).
    NotRecovered = 5,
    /// The machine failed: a full disk, a file that cannot be written, a broken pipe.
    Fault = 6,
    /// Stopped by the user (128 + SIGINT).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error with its remedy and exit code.
#[derive(Debug)]
pub struct Refusal {
    what: String,
    remedy: String,
    exit: Exit,
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

/// Bad input: what is wrong with it and what to do.
pub fn refuse(what: impl std::fmt::Display, remedy: impl Into<String>) -> Report {
    Report::new(Refusal { what: what.to_string(), remedy: remedy.into(), exit: Exit::BadInput })
}

/// The machine could not do what was asked for, such as write to a full disk: what failed and what to do.
pub fn fault(what: impl std::fmt::Display, remedy: impl Into<String>) -> Report {
    Report::new(Refusal { what: what.to_string(), remedy: remedy.into(), exit: Exit::Fault })
}

/// An error of the store: bad input if it is caused by the arguments, otherwise a fault of the machine.
pub fn store_error(error: StoreError, remedy: impl Into<String>) -> Report {
    if error.is_fault() { fault(error, remedy) } else { refuse(error, remedy) }
}

/// Shows an error and gives its exit code. Errors of other crates are about input.
pub fn report(error: &Report) -> ExitCode {
    let mut plain = String::new();
    let theme = GraphicalTheme::unicode_nocolor();
    let _only_memory = GraphicalReportHandler::new_themed(theme).render_report(&mut plain, error.as_ref());
    say_styled(&plain, &format!("{error:?}"));
    error.downcast_ref::<Refusal>().map_or(Exit::BadInput, |refusal| refusal.exit).into()
}

/// Shows what the command line should be, or what is wrong with it, and gives the exit code.
pub fn usage(error: &clap::Error) -> ExitCode {
    // Names of files can reach the command line by patterns such as `*`. Without colours, clap omits their
    // escapes.
    let is_plain = std::env::args_os().all(|given| !given.to_string_lossy().contains(is_hidden));
    match is_plain {
        true => drop(error.print()),
        false => say(error.render().to_string().trim_end()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::BadInput as u8))
}
