//! Records which runtimes a test run used, which it skipped, and why.

use std::io::Write;

/// Writes a line to stderr, and also to the tally if `cargo xtask test` asks for it.
#[expect(clippy::print_stderr, reason = "a skipped runtime has to be visible")]
pub fn tell(line: &str) {
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("ISOTARE_TALLY")
        && let Ok(mut file) = std::fs::File::options().append(true).create(true).open(path)
    {
        // If this fails, the summary lacks a line. The test has already printed it.
        let _unwritten = writeln!(file, "{line}");
    }
}

/// Reports that a runtime was skipped. It is a failure if continuous integration must have this runtime.
pub fn skip(runtime: &str, reason: &str, ci_has_it: bool) -> Result<(), String> {
    tell(&format!("skipped {runtime}: {reason}"));
    match ci_has_it && std::env::var_os("CI").is_some() {
        true => Err(format!("{runtime} has to run here: {reason}")),
        false => Ok(()),
    }
}
