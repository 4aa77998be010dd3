//! The content of a file of another tool: runs, their labels and their numbers.

use isotare_core::Better;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The content of one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FileRead {
    /// Its name, as it was given.
    pub file: String,
    /// The tool whose output it is; `None`: the tool was not recognised.
    pub tool: Option<&'static str>,
    /// The version of the tool, from the first run that contains it.
    pub version: Option<String>,
    /// Number of complete runs.
    pub complete: usize,
    /// Number of runs that are incomplete, or whose lines are mixed with those of another run.
    pub incomplete: usize,
    /// Number of runs whose text contradicts itself or is not the tool's. A file that is not recognised
    /// counts as one.
    pub unreadable: usize,
    /// All runs, in the order of the file.
    pub runs: Vec<Run>,
    /// Warnings, with the line if there is one.
    pub warnings: Vec<String>,
}

/// The status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is complete.
    Complete,
    /// It is incomplete, or mixed with another run. It has no numbers.
    Incomplete,
    /// It contradicts itself, or is not the tool's output. It has no numbers.
    Unreadable,
}

/// One run of a tool, or one of the things that a tool measured, for example a process of pidstat, a device
/// of iostat or a job of fio.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Whether its numbers can be used.
    pub status: Status,
    /// The reason, if they cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    /// Labels: what was run and how (`test`, `threads`, `command`, `device`…), and the labels of the user
    /// (`environment`, `iteration`).
    pub labels: BTreeMap<String, String>,
    /// Its numbers. Only a complete run has any.
    pub metrics: Vec<Metric>,
}

/// A number with its unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Name, unique in its run.
    pub name: Cow<'static, str>,
    /// Unit, for example `1/s`, `s`, `B/s`, `%`; empty: a plain number, or an unknown unit.
    pub unit: Cow<'static, str>,
    /// Value in that unit.
    pub value: f64,
    /// Whether higher or lower is better.
    #[serde(skip)]
    pub better: Better,
}

impl Metric {
    /// A number for which higher is better: rates, throughput.
    pub fn higher(
        name: impl Into<Cow<'static, str>>,
        unit: impl Into<Cow<'static, str>>,
        value: f64,
    ) -> Self {
        Self { name: name.into(), unit: unit.into(), value, better: Better::Higher }
    }

    /// A number for which lower is better: times, memory, CPU.
    pub fn lower(name: impl Into<Cow<'static, str>>, unit: impl Into<Cow<'static, str>>, value: f64) -> Self {
        Self { name: name.into(), unit: unit.into(), value, better: Better::Lower }
    }
}

impl FileRead {
    /// The result for a file that could not be read.
    pub fn unread(file: &str, reason: impl Into<String>) -> Self {
        let runs = vec![Run::unreadable(1, reason)];
        Self { file: file.to_owned(), unreadable: 1, runs, ..Self::default() }
    }
}

impl Run {
    /// A complete run that begins on this line.
    pub fn complete(line: usize, metrics: Vec<Metric>) -> Self {
        Self { status: Status::Complete, reason: None, line, labels: BTreeMap::new(), metrics }
    }

    /// A run that is incomplete or mixed with another.
    pub fn incomplete(line: usize, reason: impl Into<String>) -> Self {
        Self::without_numbers(Status::Incomplete, line, reason.into())
    }

    /// A run that contradicts itself or cannot be read.
    pub fn unreadable(line: usize, reason: impl Into<String>) -> Self {
        Self::without_numbers(Status::Unreadable, line, reason.into())
    }

    fn without_numbers(status: Status, line: usize, reason: String) -> Self {
        Self { status, reason: Some(reason), line, labels: BTreeMap::new(), metrics: Vec::new() }
    }

    /// The same run with one more label.
    #[must_use]
    pub fn with(mut self, label: &str, value: impl Into<String>) -> Self {
        self.labels.insert(label.to_owned(), value.into());
        self
    }
}

/// The result of a decoder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Version of the tool, if the text contains it.
    pub version: Option<String>,
    /// All runs, in the order of the text.
    pub runs: Vec<Run>,
    /// Warnings, each with its line.
    pub warnings: Vec<String>,
}
