//! `isotare import`: what other tools printed, and the statistics of a session for it where labels say what ran where.

use crate::cli::{Form, Import};
use crate::exit::{Exit, refuse};
use crate::import_forms::Found;
use crate::output;
use crate::table::Table;
use isotare_import::tools::TOOLS;
use isotare_import::{FileRead, Labels, Manifest, NotComparable, Reading, imported, label, read};
use isotare_report::analyse_values;
use miette::Report;
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Reads the files, says what is in them, and compares it if it can be compared.
pub fn import(arguments: &Import) -> Result<Exit, Report> {
    if arguments.list {
        return list(arguments.output.format);
    }
    output::check(&arguments.output)?;
    let manifest = arguments.manifest.as_deref().map(manifest).transpose()?;
    let mut files = Vec::new();
    for path in paths(&arguments.files)? {
        let (name, bytes) = contents(&path)?;
        let mut file = read(&name, &bytes, arguments.tool);
        label(&mut file, &labels(arguments, manifest.as_ref(), &name));
        files.push(file);
    }
    let found = compared(files, arguments)?;
    output::show_as(&arguments.output, "", |form, options| found.rendered(form, options))?;
    Ok(exit(&found.files))
}

fn compared(files: Vec<FileRead>, arguments: &Import) -> Result<Found, Report> {
    let reading = Reading {
        baseline: arguments.baseline.clone(),
        margin: arguments.margin,
        level: arguments.level,
        higher: Vec::new(),
    };
    let (comparison, warnings) = match imported(&files, &reading) {
        Ok(mut found) => {
            found.session.argv = std::env::args().collect();
            let origin = format!("{} files", files.len());
            (Some(analyse_values(&origin, &found.session, &found.trials)), found.warnings)
        }
        Err(error @ NotComparable::NoBaseline { .. }) => {
            return Err(refuse(error, "name one of these with --baseline"));
        }
        Err(error) if arguments.baseline.is_some() => {
            let remedy = "say what ran where: --label environment=…, --pattern '{environment}-{iteration}.txt' or --manifest";
            return Err(refuse(error, remedy));
        }
        Err(_) => (None, Vec::new()),
    };
    Ok(Found { files, comparison, warnings })
}

/// 2 where nothing was read, 1 where something is missing.
fn exit(files: &[FileRead]) -> Exit {
    let count = |of: fn(&FileRead) -> usize| files.iter().map(of).sum::<usize>();
    match (count(|file| file.complete), count(|file| file.incomplete), count(|file| file.unreadable)) {
        (0, 0, _) => Exit::BadInput,
        (_, 0, 0) => Exit::Done,
        _ => Exit::Incomplete,
    }
}

/// The labels of a file: what the manifest says counts more than its name, and an option more than both.
fn labels(arguments: &Import, manifest: Option<&Manifest>, file: &str) -> Labels {
    let mut labels = arguments.patterns.iter().find_map(|pattern| pattern.labels(file)).unwrap_or_default();
    labels.extend(manifest.and_then(|manifest| manifest.labels(file)).cloned().unwrap_or_default());
    labels.extend(arguments.labels.iter().cloned());
    labels
}

fn manifest(path: &Path) -> Result<Manifest, Report> {
    let remedy = "give a CSV file whose first line names the column file and one for each label";
    let file = File::open(path)
        .map_err(|error| refuse(format!("{} cannot be read: {error}", path.display()), remedy))?;
    Manifest::read(file).map_err(|why| refuse(format!("{}: {why}", path.display()), remedy))
}

/// Each file, those of a folder sorted by name.
fn paths(given: &[PathBuf]) -> Result<Vec<PathBuf>, Report> {
    let mut found = Vec::new();
    for path in given {
        match path.is_dir() {
            true => walk(path, &mut found)?,
            false => found.push(path.clone()),
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Report> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = entries.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
        match kind.is_dir() {
            true => walk(&entry.path(), found)?,
            false => found.push(entry.path()),
        }
    }
    Ok(())
}

fn contents(path: &Path) -> Result<(String, Vec<u8>), Report> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
        return Ok(("standard input".to_owned(), bytes));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok((path.display().to_string(), bytes))
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    refuse(
        format!("{} cannot be read: {error}", path.display()),
        "name files or folders, or - for standard input",
    )
}

fn list(form: Form) -> Result<Exit, Report> {
    let mut table = Table::new(&["tool", "what is read"]);
    for tool in TOOLS {
        table.row([tool.name.to_owned(), tool.summary.to_owned()]);
    }
    let tools: Vec<_> =
        TOOLS.iter().map(|tool| json!({ "tool": tool.name, "summary": tool.summary })).collect();
    table.show(form, &json!({ "tools": tools }))?;
    Ok(Exit::Done)
}
