//! Exit codes, all of them, and how an error becomes one.

use crate::output::{say, say_styled};
use isotare_core::is_hidden;
use isotare_store::StoreError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Report};
use std::error::Error;
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
    /// The error that it says, whose causes are shown below it.
    error: Option<Box<dyn Error + Send + Sync>>,
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.as_ref().and_then(|error| error.source())
    }
}

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
    Report::new(Refusal { what: what.to_string(), remedy: remedy.into(), exit: Exit::BadInput, error: None })
}

/// The machine could not do what was asked for, such as write to a full disk: what failed and what to do.
pub fn fault(what: impl std::fmt::Display, remedy: impl Into<String>) -> Report {
    Report::new(Refusal { what: what.to_string(), remedy: remedy.into(), exit: Exit::Fault, error: None })
}

/// An error of the store: bad input where it is about what was asked for, else a fault.
/// Its remedy is shown, and `more` to do about it.
pub fn store_error(error: StoreError, more: &str) -> Report {
    let exit = if error.is_fault() { Exit::Fault } else { Exit::BadInput };
    let remedy = [error.remedy(), more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let (what, remedy) = (error.to_string(), remedy.join("; "));
    Report::new(Refusal { what, remedy, exit, error: Some(Box::new(error)) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_store::Store;

    #[test]
    fn event_cause_and_remedy_are_each_written_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        let Err(error) = Store::open(&file.join("x.db")) else { panic!("a file is no folder") };
        let shown = store_error(error, "or else");
        let mut text = String::new();
        let theme = GraphicalTheme::unicode_nocolor();
        let handler = GraphicalReportHandler::new_themed(theme).with_width(400);
        handler.render_report(&mut text, shown.as_ref()).expect("written");
        for part in ["make the folder of store", "File exists", "use a file in a folder", "; or else"] {
            assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
        }
    }
}
