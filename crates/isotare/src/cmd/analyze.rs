//! `isotare analyze`: the statistics of a session for measurements that others have made.

use crate::cli::Analyze;
use crate::exit::{Exit, refuse};
use crate::output;
use isotare_core::with_sources;
use isotare_import::{PairedError, Reading, paired};
use isotare_report::analyse_values;
use miette::Report;
use std::io;
use std::path::Path;

/// Reads the file and judges it.
pub fn analyze(arguments: &Analyze) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    let name = match arguments.file == Path::new("-") {
        true => "standard input".to_owned(),
        false => arguments.file.display().to_string(),
    };
    let reading = Reading {
        baseline: arguments.baseline.clone(),
        margin: arguments.margin,
        level: arguments.level,
        higher: arguments.higher.clone(),
        lower: arguments.lower.clone(),
    };
    let (mut session, trials) = paired(&contents(&arguments.file, arguments.max_size)?[..], &reading)
        .map_err(|error| refuse(format!("{name}: {}", with_sources(&error)), remedy(&error)))?;
    session.argv = std::env::args().collect();
    output::show(&analyse_values(&name, &session, &trials), &arguments.output)?;
    Ok(Exit::Done)
}

fn contents(path: &Path, most: u64) -> Result<Vec<u8>, Report> {
    let bytes = match path == Path::new("-") {
        true => isotare_files::stream(io::stdin(), most),
        false => isotare_files::named(path, most),
    };
    bytes.map_err(|error| {
        refuse(
            format!("{} cannot be read: {error}", path.display()),
            "name a CSV file, or - for standard input; --max-size raises how large it may be",
        )
    })
}

fn remedy(error: &PairedError) -> &'static str {
    match error {
        PairedError::NoColumn { .. } | PairedError::NoValues => {
            "the first line names the columns block, condition, metric, value and, if known, unit"
        }
        PairedError::Twice { .. } => {
            "a block holds one trial of each condition: give the median of repeats, or a block of their own"
        }
        PairedError::Unreadable(_) => "name another file, or - for standard input",
        PairedError::TwoColumns { .. } => "name the others differently",
        PairedError::NoBaseline { .. } => "name one of these with --baseline",
        PairedError::Direction { .. } => "say --higher METRIC if more is better, --lower METRIC if less is",
        PairedError::Units { .. } => "convert one of them",
        PairedError::Malformed { .. } | PairedError::Empty { .. } | PairedError::NoNumber { .. } => {
            "correct the line, or leave it out"
        }
    }
}
