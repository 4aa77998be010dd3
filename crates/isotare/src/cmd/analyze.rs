//! `isotare analyze`: statistics for measurements that another tool made.

use crate::cli::Analyze;
use crate::exit::{Exit, refuse};
use crate::output;
use isotare_core::with_sources;
use isotare_import::{PairedError, Reading, paired};
use isotare_report::analyse_values;
use miette::Report;
use std::io;
use std::path::Path;

/// Reads the file and analyzes it.
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
            "name a CSV file, or - for standard input; --max-size changes the size limit",
        )
    })
}

fn remedy(error: &PairedError) -> &'static str {
    match error {
        PairedError::NoColumn { .. } | PairedError::NoValues => {
            "the first line has to name the columns block, condition, metric, value and, optionally, unit"
        }
        PairedError::Twice { .. } => {
            "a block can hold only one value of each metric and condition; replace repeats by their median, \
             or give each repeat its own block"
        }
        PairedError::Unreadable(_) => "name another file, or - for standard input",
        PairedError::TwoColumns { .. } => "rename the other columns",
        PairedError::NoBaseline { .. } => "name one of these with --baseline",
        PairedError::Direction { .. } => {
            "add --higher METRIC if higher values are better, or --lower METRIC if lower values are better"
        }
        PairedError::Units { .. } => "convert the values to one unit",
        PairedError::Malformed { .. } | PairedError::Empty { .. } | PairedError::NoNumber { .. } => {
            "correct the line, or remove it"
        }
    }
}
