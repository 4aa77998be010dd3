//! Starts helpers (a broker, a launcher): this program is run again with a hidden argument.

use super::broker;
use crate::ladder;
use isotare_core::with_sources;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

/// The hidden argument of a container broker.
pub(super) const BROKER: &str = "__container-broker";
/// The hidden argument of a launcher of the ladder; its order follows.
pub(crate) const LAUNCHER: &str = "__ladder-launcher";

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Does the work of a helper process if this process was started as one. The first thing in `main` of every
/// program that uses the drivers, before any thread is started: `if let Some(code) = helper_process() {
/// return code; }`.
pub fn helper_process() -> Option<ExitCode> {
    let done = match std::env::args_os().nth(1)?.to_str()? {
        BROKER => broker::serve(),
        LAUNCHER => ladder::launch(),
        _ => return None,
    };
    match done {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            // Standard error is a log that the session quotes. If writing to it fails, the error cannot be
            // reported.
            let _unheard = writeln!(std::io::stderr(), "{}", with_sources(&error));
            Some(ExitCode::FAILURE)
        }
    }
}

/// Sets the program that is started as a helper, for programs with a different `main` (tests). Its `main` has
/// to call [`helper_process`]. By default, a program starts itself. Only the first call has an effect.
pub fn set_helper_program(path: impl Into<PathBuf>) {
    PROGRAM.get_or_init(|| path.into());
}

/// The program that is started as a helper; an error if it would start a session instead of a helper.
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
