//! How a program becomes a helper (a broker, a launcher): by being run again with a hidden argument.

use super::broker;
use crate::ladder;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

/// The hidden argument of a container broker.
pub(super) const BROKER: &str = "__container-broker";
/// The hidden argument of a launcher of the ladder; its order follows.
pub(crate) const LAUNCHER: &str = "__ladder-launcher";

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Does the work of a helper process if this process was started as one. The first thing in `main` of every program
/// that uses the drivers, before any thread is started: `if let Some(code) = helper_process() { return code; }`.
pub fn helper_process() -> Option<ExitCode> {
    let done = match std::env::args_os().nth(1)?.to_str()? {
        BROKER => broker::serve(),
        LAUNCHER => ladder::launch(),
        _ => return None,
    };
    match done {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            // Standard error is a log that the session quotes; if even that is gone, nobody is left to tell.
            let _unheard = writeln!(std::io::stderr(), "{error}");
            Some(ExitCode::FAILURE)
        }
    }
}

/// Names the program to start helpers from, for programs whose `main` is not ours (tests): one whose `main` calls
/// [`helper_process`]. Without it, a program starts itself. The first call counts.
pub fn set_helper_program(path: impl Into<PathBuf>) {
    PROGRAM.get_or_init(|| path.into());
}

/// The program to start helpers from; an error where that would start a session in place of a helper.
pub(crate) fn program() -> Result<PathBuf, &'static str> {
    if let Some(program) = PROGRAM.get() {
        return Ok(program.clone());
    }
    match std::env::args_os().nth(1) {
        Some(argument) if argument == BROKER || argument == LAUNCHER => {
            Err("this program's main does not call helper_process()")
        }
        _ => Ok("/proc/self/exe".into()),
    }
}
