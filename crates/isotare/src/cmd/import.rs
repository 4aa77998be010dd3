//! `isotare import`: reads the output of other tools, and compares environments if labels say where each run
//! was made.

use crate::cli::{Form, Import};
use crate::exit::{Exit, refuse};
use crate::import_forms::Found;
use crate::output;
use crate::table::Table;
use isotare_core::visible_bytes;
use isotare_files::Folder;
use isotare_import::tools::TOOLS;
use isotare_import::{FileRead, Labels, Manifest, NotComparable, Reading, imported, label, read};
use isotare_report::analyse_values;
use miette::Report;
use serde_json::json;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Reads the files, says what is in them, and compares it if it can be compared.
pub fn import(arguments: &Import) -> Result<Exit, Report> {
    if arguments.list {
        return list(arguments.output.format);
    }
    output::check(&arguments.output)?;
    let manifest =
        arguments.manifest.as_deref().map(|path| manifest(path, arguments.max_size)).transpose()?;
    let mut files = Vec::new();
    for input in inputs(&arguments.files)? {
        let name = input.name();
        let mut file = match input.contents(arguments.max_size) {
            Ok(bytes) => read(&name, &bytes, arguments.tool),
            // A file in a folder that cannot be read does not stop the others from being read.
            Err(error) if input.folder.is_some() => FileRead::unread(&name, error.to_string()),
            Err(error) => return Err(unreadable(&input.path, &error)),
        };
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
        lower: Vec::new(),
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
            let remedy = "say in which environment each run was made: --label environment=…, --pattern \
                          '{environment}-{iteration}.txt' or --manifest";
            return Err(refuse(error, remedy));
        }
        Err(_) => (None, Vec::new()),
    };
    Ok(Found { files, comparison, warnings })
}

/// The exit code is 2 if nothing was read, and 1 if something is missing.
fn exit(files: &[FileRead]) -> Exit {
    let count = |of: fn(&FileRead) -> usize| files.iter().map(of).sum::<usize>();
    match (count(|file| file.complete), count(|file| file.incomplete), count(|file| file.unreadable)) {
        (0, 0, _) => Exit::BadInput,
        (_, 0, 0) => Exit::Done,
        _ => Exit::Incomplete,
    }
}

/// The labels of a file. Labels of the manifest replace those of its name, and labels of an option replace
/// both.
fn labels(arguments: &Import, manifest: Option<&Manifest>, file: &str) -> Labels {
    let mut labels = arguments.patterns.iter().find_map(|pattern| pattern.labels(file)).unwrap_or_default();
    labels.extend(manifest.and_then(|manifest| manifest.labels(file)).cloned().unwrap_or_default());
    labels.extend(arguments.labels.iter().cloned());
    labels
}

fn manifest(path: &Path, most: u64) -> Result<Manifest, Report> {
    let remedy = "give a CSV file whose first line names a column `file` and one column for each label";
    let text = isotare_files::named(path, most)
        .map_err(|error| refuse(format!("{} cannot be read: {error}", path.display()), remedy))?;
    Manifest::read(&text[..]).map_err(|why| refuse(format!("{}: {why}", path.display()), remedy))
}

/// A file to read.
struct Input {
    path: PathBuf,
    /// The folder that was named, and the path from there on.
    folder: Option<(Rc<Folder>, PathBuf)>,
}

impl Input {
    fn name(&self) -> String {
        if self.is_stdin() {
            return "standard input".to_owned();
        }
        visible_bytes(self.path.as_os_str().as_bytes())
    }

    fn contents(&self, most: u64) -> io::Result<Vec<u8>> {
        match &self.folder {
            _ if self.is_stdin() => isotare_files::stream(io::stdin(), most),
            Some((folder, path)) => folder.whole(path, most),
            None => isotare_files::named(&self.path, most),
        }
    }

    fn is_stdin(&self) -> bool {
        self.folder.is_none() && self.path == Path::new("-")
    }
}

/// Each file, those of a folder sorted by name.
fn inputs(given: &[PathBuf]) -> Result<Vec<Input>, Report> {
    let mut found = Vec::new();
    for path in given {
        if path.is_dir() {
            let folder = Rc::new(Folder::open(path).map_err(|error| unreadable(path, &error))?);
            let mut below = Vec::new();
            walk(path, Path::new(""), &mut below)?;
            let input =
                |name: PathBuf| Input { path: path.join(&name), folder: Some((folder.clone(), name)) };
            found.extend(below.into_iter().map(input));
        } else {
            found.push(Input { path: path.clone(), folder: None });
        }
    }
    Ok(found)
}

/// The files in a folder and in its subfolders, as paths relative to `root`. Links are not followed.
fn walk(root: &Path, inside: &Path, found: &mut Vec<PathBuf>) -> Result<(), Report> {
    let folder = root.join(inside);
    let entries = fs::read_dir(&folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = entries.map_err(|error| unreadable(&folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
        let path = inside.join(entry.file_name());
        match kind.is_dir() {
            true => walk(root, &path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    refuse(
        format!("{} cannot be read: {error}", path.display()),
        "name files or folders, or - for standard input; --max-size changes the size limit of a file",
    )
}

fn list(form: Form) -> Result<Exit, Report> {
    let mut table = Table::new(&["tool", "output that it reads"]);
    for tool in TOOLS {
        table.row([tool.name.to_owned(), tool.summary.to_owned()]);
    }
    let tools: Vec<_> =
        TOOLS.iter().map(|tool| json!({ "tool": tool.name, "summary": tool.summary })).collect();
    table.show(form, &json!({ "tools": tools }))?;
    Ok(Exit::Done)
}
