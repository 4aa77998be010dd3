//! `isotare export`: sessions as tables for other programs.

use crate::cli::{Export, ExportForm};
use crate::execute::{kept_session, kept_sessions, store_path};
use crate::exit::{Exit, fault, refuse, store_error};
use isotare_store::{ExportFormat, ExportScope, export as write};
use miette::Report;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// Writes the sessions to the file, or to stdout.
pub fn export(arguments: &Export) -> Result<Exit, Report> {
    let format = format(arguments)?;
    let path = store_path(&arguments.places)?;
    let store = kept_sessions(&path, "run 'isotare compare' first, or name the store with --store")?;
    let sessions = match arguments.all {
        true => store
            .sessions()
            .map_err(|error| store_error(error, ""))?
            .into_iter()
            .map(|known| known.id)
            .collect(),
        false => arguments.sessions.clone(),
    };
    let load = |session: &String| kept_session(&store, session);
    let records = sessions.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let scope = ExportScope { readings: arguments.readings };
    let written = match &arguments.out {
        Some(path) => File::create(path).and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&records, format, scope, &mut file)?;
            file.flush()
        }),
        None => write(&records, format, scope, &mut io::stdout()),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let place = arguments.out.as_deref().unwrap_or(Path::new("stdout"));
            Err(fault(
                format!("{} cannot be written: {error}", place.display()),
                "choose another file with --out",
            ))
        }
        _ => Ok(Exit::Done),
    }
}

/// The format that --format names, otherwise that of the file extension, otherwise CSV.
fn format(arguments: &Export) -> Result<ExportFormat, Report> {
    let ending = arguments.out.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    let form = match (arguments.format, ending) {
        (Some(form), _) => form,
        (None, Some("json")) => ExportForm::Json,
        (None, Some("parquet")) => ExportForm::Parquet,
        (None, Some("csv") | None) => ExportForm::Csv,
        (None, Some(other)) => {
            return Err(refuse(
                format!("isotare cannot export to files with the extension .{other}"),
                "use .csv, .json or .parquet, or choose the format with --format",
            ));
        }
    };
    if form == ExportForm::Parquet && arguments.out.is_none() && io::stdout().is_terminal() {
        return Err(refuse(
            "Parquet is a binary format and cannot be shown in a terminal",
            "write to a file with --out, or to a pipe",
        ));
    }
    Ok(match form {
        ExportForm::Csv => ExportFormat::Csv,
        ExportForm::Json => ExportFormat::Json,
        ExportForm::Parquet => ExportFormat::Parquet,
    })
}
