//! `hyperfine`: its exports as JSON, CSV and Markdown, and its text. Each command is a run.
//!
//! JSON and CSV are always in seconds. Markdown is in the unit of its header
//! (`src/export/{json,csv,markdown}.rs`). JSON contains each time, so the mean can be checked.

mod json;
mod tables;
mod text;

use crate::Decoded;
use crate::tools::{Tool, sound::sound};

/// hyperfine.
pub static HYPERFINE: Tool = Tool {
    name: "hyperfine",
    summary: "its exports as JSON, CSV and Markdown, and its text",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    let is_table = |line: &str| tables::is_csv(line) || tables::is_markdown(line);
    let is_text = || {
        let mut lines = head.lines();
        lines.any(|line| text::title(line).is_some())
            && lines.any(|line| line.starts_with("  Time (") || line.starts_with("Error: "))
    };
    json::recognises(head) || head.lines().any(is_table) || is_text()
}

/// Exports are preferred: they contain more than the text, which may be in the same file.
fn decode(text: &str) -> Decoded {
    let mut runs = json::runs(text);
    if runs.is_empty() {
        runs = tables::csv(text);
        runs.extend(tables::markdown(text));
        runs.sort_by_key(|run| run.line);
    }
    if runs.is_empty() {
        runs = text::runs(text);
    }
    sound(Decoded { runs, ..Decoded::default() })
}

/// Seconds in one unit of time.
fn unit(name: &str) -> Option<f64> {
    match name {
        "s" => Some(1.0),
        "ms" => Some(1e-3),
        "µs" => Some(1e-6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Status::{self, Complete, Incomplete, Unreadable};

    fn check(text: &str, expect: &[Status]) {
        let found: Vec<Status> = decode(text).runs.iter().map(|run| run.status).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn numbers_that_contradict_the_times_are_refused() {
        let text = |mean: f64, codes: &str| {
            format!(
                "{{\"results\": [{{\"command\": \"a\", \"mean\": {mean}, \"min\": 1.0, \"max\": 3.0, \
                 \"times\": [1.0, 3.0], \"exit_codes\": {codes}}}]}}"
            )
        };
        check(&text(2.0, "[0, null]"), &[Complete]);
        check(&text(2.1, "[0, 0]"), &[Unreadable]);
        check(&text(2.0, "[0]"), &[Unreadable]);
    }

    #[test]
    fn rows_are_read_among_other_text() {
        let header = "command,mean,stddev,median,user,system,min,max\n";
        check(&format!("{header}\"a,b\",1,0.1,1,1,1,1,1\nwritten\n"), &[Complete]);
        check(&format!("{header}a,1,0.1,1,1,1,1\nb,1,1,1,1,1,1,1\n"), &[Incomplete, Complete]);
        check(&format!("{header}a,nan,0.1,x,1,1,1,1\n"), &[Unreadable]);
        check(&format!("{header}a,1,0.1,1,1,1,1,1"), &[Incomplete]);
        check(&format!("{header}{header}a,1,0.1,1,1,1,1,1\n"), &[Incomplete, Incomplete]);
        let table = "| Command | Mean [µs] | Min [µs] | Max [µs] | Relative |\n|:---|---:|---:|---:|---:|\n";
        check(&format!("{table}| `a\\|b` | 1.0 ± 0.1 | 0.9 | 1.1 | 1.00 |\n\ndone\n"), &[Complete]);
        check(&format!("{table}| `a` | 1.0 ± 0.1 | 0.9 |\n"), &[Incomplete]);
        check(&table.replace("µs", "h"), &[Incomplete]);
    }
}
