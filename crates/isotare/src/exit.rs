//! Exit codes, all of them, and how an error becomes one.

use crate::output::{say, say_styled};
use isotare_core::{causes, is_hidden};
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
    said: Said,
    remedy: String,
    exit: Exit,
}

/// What an error says, and what caused it: each thing once.
#[derive(Debug)]
struct Said {
    text: String,
    cause: Option<Box<Said>>,
}

impl Said {
    fn by(error: &(dyn Error + 'static)) -> Self {
        let above = |cause, text| Some(Box::new(Said { text, cause }));
        let mut told = causes(error).into_iter();
        let text = told.next().unwrap_or_default();
        Self { text, cause: told.rev().fold(None, above) }
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_ref() as _)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said.source()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.said.fmt(f)
    }
}

impl Diagnostic for Refusal {
    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        (!self.remedy.is_empty()).then(|| Box::new(&self.remedy) as Box<dyn std::fmt::Display>)
    }
}

/// Bad input: what is wrong with it, a text or an error, whose causes are shown too, and what to do.
pub fn refuse(what: impl Into<Box<dyn Error + Send + Sync>>, remedy: impl Into<String>) -> Report {
    Report::new(Refusal { said: Said::by(what.into().as_ref()), remedy: remedy.into(), exit: Exit::BadInput })
}

/// The machine could not do what was asked for, such as write to a full disk: what failed and what to do.
pub fn fault(what: impl Into<Box<dyn Error + Send + Sync>>, remedy: impl Into<String>) -> Report {
    Report::new(Refusal { said: Said::by(what.into().as_ref()), remedy: remedy.into(), exit: Exit::Fault })
}

/// An error of the store: bad input where it is about what was asked for, else a fault.
/// Its remedy is shown, and `more` to do about it.
pub fn store_error(error: StoreError, more: &str) -> Report {
    let exit = if error.is_fault() { Exit::Fault } else { Exit::BadInput };
    let remedy = [error.remedy(), more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Report::new(Refusal { said: Said::by(&error), remedy: remedy.join("; "), exit })
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

    fn shown(report: &Report) -> String {
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(400);
        handler.render_report(&mut text, report.as_ref()).expect("written");
        text
    }

    fn each_once(report: &Report, parts: &[&str]) {
        let text = shown(report);
        parts.iter().for_each(|part| assert_eq!(text.matches(part).count(), 1, "{part}: {text}"));
    }

    #[test]
    fn event_cause_and_remedy_are_each_written_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        let Err(error) = Store::open(&file.join("x.db")) else { panic!("a file is no folder") };
        let parts = ["make the folder of store", "File exists", "use a file in a folder", "; or else"];
        each_once(&store_error(error, "or else"), &parts);
        std::fs::write(&file, "no database".repeat(99)).expect("written");
        let Err(error) = Store::open(&file) else { panic!("it is no database") };
        each_once(&store_error(error, ""), &["open store", "it is not a database", "move this one away"]);
    }

    #[test]
    fn the_causes_of_any_error_are_shown() {
        let error = isotare_runner::BenchError::Io {
            operation: "make folder",
            subject: "/x".to_owned(),
            source: std::io::Error::other("no space"),
        };
        each_once(&fault(error, "free some"), &["make folder /x", "no space", "free some"]);
        assert_eq!(shown(&refuse("a text", "")).trim(), "× a text");
    }
}
