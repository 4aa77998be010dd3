//! The errors of a file, with their positions and remedies.

use crate::design::DesignError;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::ops::Range;

/// A file that is not a valid experiment: all problems that were found, in the order of the file.
#[derive(Debug)]
pub struct FileError {
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What is wrong, with the value.
    pub message: String,
    /// A word or two on the marked place.
    pub label: String,
    /// What to do.
    pub help: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The marked place, in bytes.
    pub span: Range<usize>,
    /// What the reader of TOML says, where it could not read the file.
    pub source: Option<SyntaxError>,
}

/// An error of the reader of TOML, without the lines of the file that it quotes: a problem marks its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError(pub toml::de::Error);

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message().replace('\n', ", "))
    }
}

impl std::error::Error for SyntaxError {}

impl FileError {
    /// Everything that is wrong, in the order of the file. At least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn only(&self) -> Option<&Problem> {
        match self.problems.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.only().and_then(std::error::Error::source)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(problem) => problem.fmt(f),
            None => write!(f, "{} has {} errors", self.source.name(), self.problems.len()),
        }
    }
}

impl Diagnostic for FileError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only().and_then(Problem::labels)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only().and_then(Problem::help)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let several = self.only().is_none();
        several.then(|| Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)) as Box<_>)
    }
}

impl Diagnostic for Problem {
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new(Some(self.label.clone()), self.span.start, self.span.len());
        Some(Box::new(std::iter::once(label)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }
}

/// The problems found so far.
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn add(&mut self, span: Range<usize>, message: String, label: String, help: String) {
        let end = self.text.len();
        let span = span.start.min(end)..span.end.min(end);
        let before = self.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.found.push(Problem {
            message,
            label,
            help,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span,
            source: None,
        });
    }

    /// The places that are not valid TOML. After a syntax error the reader also reports correct lines, so
    /// only the first error is reported. Duplicate keys are all reported, because they have no such effect.
    pub(super) fn syntax(&mut self, errors: &[toml::de::Error]) {
        let twice = |error: &&toml::de::Error| error.message().contains("duplicate");
        let first = errors
            .iter()
            .filter(|error| !twice(error))
            .min_by_key(|error| error.span().map(|span| span.start));
        for error in first.into_iter().chain(errors.iter().filter(twice)) {
            let help = match error.message() {
                message if message.contains("duplicate") => "remove one of the two",
                message if message.contains("array") => {
                    "put commas between the items and ] at the end of the list"
                }
                message if message.contains("quoted") => "put the text in \"quotes\"",
                _ => "write it as key = value; a text needs \"quotes\", a list needs [brackets]",
            };
            let span = error.span().unwrap_or(0..0);
            self.add(span, "this is not valid TOML".to_owned(), "here".to_owned(), help.to_owned());
            if let Some(problem) = self.found.last_mut() {
                problem.source = Some(SyntaxError(error.clone()));
            }
        }
    }

    /// The file describes a design that cannot run.
    pub(super) fn design(&mut self, span: Range<usize>, error: &DesignError) {
        let help = match error {
            DesignError::NoEnvironment => "add a line such as environments = [\"container\"]".to_owned(),
            DesignError::NoWorkload => {
                "add a line [[workload]], and below it a line such as name = \"cpu\"".to_owned()
            }
            error => error.help().map(|help| help.to_string()).unwrap_or_default(),
        };
        let label = if span.is_empty() { "in this file" } else { "here" };
        self.add(span, error.to_string(), label.to_owned(), help);
    }

    pub(super) fn into_error(mut self) -> FileError {
        self.found.sort_by_key(|problem| (problem.span.start, problem.span.end));
        FileError { source: NamedSource::new(self.file, self.text.to_owned()), problems: self.found }
    }
}
