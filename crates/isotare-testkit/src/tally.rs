//! Records which runtimes a test run used, and which it skipped and why.

use std::io::Write;

/// Writes a line on stderr and, where `cargo xtask test` asks for it, into its tally.
#[expect(clippy::print_stderr, reason = "a skipped runtime has to be visible")]
pub fn tell(line: &str) {
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("ISOTARE_TALLY")
        && let Ok(mut file) = std::fs::File::options().append(true).create(true).open(path)
    {
        // Losing the line costs a line of the summary; the test itself has printed it.
        let _unwritten = writeln!(file, "{line}");
    }
}

/// Says that a runtime was skipped; where continuous integration can have it, that is a failure.
pub fn skip(runtime: &str, reason: &str, ci_has_it: bool) -> Result<(), String> {
    tell(&format!("skipped {runtime}: {reason}"));
    match ci_has_it && std::env::var_os("CI").is_some() {
        true => Err(format!("{runtime} has to run here: {reason}")),
        false => Ok(()),
    }
}
