//! The command line of Isotare: parse, dispatch to the verb, exit with a documented status.

mod agent;
mod choose;
mod cli;
mod cmd;
mod execute;
mod exit;
mod import_forms;
mod listing;
mod machine;
mod output;
mod progress;
mod resolve;
mod sample_forms;
mod selftest_forms;
mod table;

use clap::{Command, CommandFactory, FromArgMatches};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = isotare_drivers::helper_process() {
        return status;
    }
    let arguments = command().try_get_matches().and_then(|given| cli::Cli::from_arg_matches(&given));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    let level = if arguments.verbose { "isotare=debug" } else { "isotare=warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("ISOTARE_LOG").unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| output::Log).without_time().init();
    std::panic::set_hook(Box::new(tell_panic));
    match cmd::dispatch(arguments.verb) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error),
    }
}

/// The command line, with what the drivers and workloads say of themselves.
fn command() -> Command {
    cli::Cli::command().mut_subcommand("compare", |compare| compare.after_long_help(listing::settings()))
}

/// Prints the standard library's message about a panic. The message may quote text from outside.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    output::say(&panic.to_string());
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        output::say(&trace.to_string());
    }
}
