//! From a file's bytes to its runs.

use crate::run::{Decoded, FileRead, Run, Status};
use crate::text::clean;
use crate::tools::{Tool, recognise};

/// Reads what a file of this name holds. `tool`: whose it is, if that is known.
pub fn read(name: &str, bytes: &[u8], tool: Option<&'static Tool>) -> FileRead {
    let text = clean(bytes);
    let found = tool.or_else(|| recognise(&text));
    let decoded = match found {
        Some(tool) => (tool.decode)(&text),
        None => Decoded { runs: vec![Run::unreadable(1, unknown(&text))], ..Decoded::default() },
    };
    let Decoded { version, mut runs, warnings } = decoded;
    if runs.is_empty() {
        runs.push(Run::unreadable(1, "there is no run in it"));
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

fn unknown(text: &str) -> String {
    match text.lines().find(|line| !line.trim().is_empty()) {
        None => "it is empty".to_owned(),
        // Nothing of it is quoted: it may be a secret that another user has made to look like a result.
        Some(_) => "whose output this is was not recognised".to_owned(),
    }
}

/// No number without a complete run, and no complete run without a number or with one that is none.
fn settle(run: &mut Run) {
    if run.status == Status::Complete {
        let odd = run.metrics.iter().find(|metric| !metric.value.is_finite());
        let reason = match (odd, run.metrics.is_empty()) {
            (Some(metric), _) => format!("{} is no number", metric.name),
            (None, true) => "there is no number in it".to_owned(),
            (None, false) => return,
        };
        (run.status, run.reason) = (Status::Unreadable, Some(reason));
    }
    run.metrics.clear();
}
