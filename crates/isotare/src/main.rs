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

use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = isotare_drivers::helper_process() {
        return status;
    }
    let command =
        cli::Cli::command().mut_subcommand("compare", |compare| compare.after_long_help(listing::settings()));
    let arguments = match cli::Cli::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let level = if arguments.verbose { "isotare=debug" } else { "isotare=warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("ISOTARE_LOG").unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match cmd::dispatch(arguments.verb) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error),
    }
}
