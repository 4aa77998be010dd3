//! Reads the runs from a file's bytes.

use crate::run::{Decoded, FileRead, Run, Status};
use crate::text::clean;
use crate::tools::{Tool, recognise};
use std::collections::BTreeSet;

/// Reads the content of a file. `tool`: the tool that wrote it; `None`: the tool is detected from the
/// content.
pub fn read(name: &str, bytes: &[u8], tool: Option<&'static Tool>) -> FileRead {
    let text = clean(bytes);
    let found = tool.or_else(|| recognise(&text));
    let decoded = match found {
        Some(tool) => (tool.decode)(&text),
        None => Decoded { runs: vec![Run::unreadable(1, unknown(&text))], ..Decoded::default() },
    };
    let Decoded { version, mut runs, mut warnings } = decoded;
    if found.is_some() {
        warnings.extend(said(&text));
    }
    if runs.is_empty() {
        runs.push(Run::unreadable(1, "it contains no run"));
    }
    for run in &mut runs {
        settle(run);
    }
    let count = |status| runs.iter().filter(|run| run.status == status).count();
    FileRead {
        file: name.to_owned(),
        tool: found.map(|tool| tool.name),
        version,
        complete: count(Status::Complete),
        incomplete: count(Status::Incomplete),
        unreadable: count(Status::Unreadable),
        runs,
        warnings,
    }
}

/// Maximum number of a tool's warnings that are kept.
const WARNINGS: usize = 20;

/// How lines with warnings begin.
const MARKS: [&str; 4] = ["warning:", "Warning:", "WARNING:", "warn:"];

/// The warnings of the tool itself, each once: `Warning: …`, `dd: warning: …`, `stress-ng: warn:  [12] …`.
fn said(text: &str) -> Vec<String> {
    if !MARKS.iter().any(|mark| text.contains(mark)) {
        return Vec::new();
    }
    let mut known = BTreeSet::new();
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let new = lines.filter(|(_, line)| is_warning(line) && known.insert(*line));
    new.take(WARNINGS).map(|(number, line)| format!("line {number}: the tool printed: {line}")).collect()
}

/// Whether a line is a warning. The name of a program may stand before it.
fn is_warning(line: &str) -> bool {
    let begins =
        |text: &str| MARKS.iter().any(|mark| text.strip_prefix(mark).is_some_and(|rest| !rest.is_empty()));
    let is_name = |name: &str| {
        !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '"')
    };
    begins(line) || line.split_once(": ").is_some_and(|(name, rest)| is_name(name) && begins(rest))
}

fn unknown(text: &str) -> String {
    match text.lines().find(|line| !line.trim().is_empty()) {
        None => "it is empty".to_owned(),
        // The text is not quoted: another user may have put a link to a secret file in the place of a result.
        Some(_) => "the tool that wrote this output was not recognised".to_owned(),
    }
}

/// Removes the numbers of a run that is not complete. A complete run needs at least one number, and all its
/// numbers must be finite; otherwise it becomes unreadable.
fn settle(run: &mut Run) {
    if run.status == Status::Complete {
        let odd = run.metrics.iter().find(|metric| !metric.value.is_finite());
        let reason = match (odd, run.metrics.is_empty()) {
            (Some(metric), _) => format!("{} is not a number", metric.name),
            (None, true) => "it contains no number".to_owned(),
            (None, false) => return,
        };
        (run.status, run.reason) = (Status::Unreadable, Some(reason));
    }
    run.metrics.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_a_tool_are_passed_on() {
        let text = "Benchmark 1: false\n  Time (mean ± σ):     540.4 µs ±  73.8 µs    [User: 267.9 µs, System: 179.4 µs]\n  \
            Range (min … max):   480.0 µs … 2018.0 µs    1700 runs\n \n  Warning: Ignoring non-zero exit code.\n";
        let found = read("a", text.as_bytes(), None);
        assert_eq!((found.tool, found.complete), (Some("hyperfine"), 1));
        assert_eq!(found.warnings, ["line 5: the tool printed: Warning: Ignoring non-zero exit code."]);
        for line in
            ["dd: warning: partial read", "WARNING: x", "stress-ng: warn:  [12] x", "pgbench: warning: x"]
        {
            assert!(is_warning(line), "{line}");
        }
        for line in ["warning", "Warning:", "warnings: 3", "no warning: x", "\"warning\": 1", "a warning: b"]
        {
            assert!(!is_warning(line), "{line}");
        }
    }
}
