//! One file for each verb.

mod analyze;
mod clean;
mod compare;
mod diff;
mod doctor;
mod export;
mod import;
mod plan;
mod report;
mod run;
mod sample;
mod schema;
mod selftest;
mod shipped;
mod store;

use crate::cli::Verb;
use crate::exit::Exit;
use miette::Report;

/// Does what was asked.
pub fn dispatch(verb: Verb) -> Result<Exit, Report> {
    match verb {
        Verb::Compare(arguments) => compare::compare(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Plan(arguments) => plan::plan(&arguments),
        Verb::Doctor(arguments) => doctor::doctor(&arguments),
        Verb::Report(arguments) => report::report(&arguments),
        Verb::Diff(arguments) => diff::diff(&arguments),
        Verb::Analyze(arguments) => analyze::analyze(&arguments),
        Verb::Import(arguments) => import::import(&arguments),
        Verb::Export(arguments) => export::export(&arguments),
        Verb::Sample(arguments) => sample::sample(&arguments),
        Verb::Selftest(arguments) => selftest::selftest(&arguments),
        Verb::Clean(arguments) => clean::clean(&arguments),
        Verb::Store(arguments) => store::store(&arguments),
        Verb::Schema => schema::schema(),
        Verb::Completions { shell } => shipped::completions(shell),
        Verb::Man { folder } => shipped::man(&folder),
    }
}
