//! Writes reports to stdout and to files.

use crate::cli::{Form, Output};
use crate::exit::{fault, refuse};
use isotare_core::{is_hidden, visible, visible_json};
use isotare_report::{Format, Glyphs, Options, RenderError, Report as Outcome, render};
use isotare_store::LOG_LIMIT;
use miette::Report;
use std::borrow::Cow;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

impl From<Form> for Format {
    fn from(form: Form) -> Format {
        match form {
            Form::Text => Format::Text,
            Form::Json => Format::Json,
            Form::Csv => Format::Csv,
            Form::Markdown => Format::Markdown,
            Form::Html => Format::Html,
        }
    }
}

/// Refuses file extensions without a format and folders that do not exist, before anything is measured.
pub fn check(output: &Output) -> Result<(), Report> {
    output.out.iter().try_for_each(|path| {
        form_of(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match folder.is_dir() {
            true => Ok(()),
            false => Err(refuse(
                format!("{} is not a folder", folder.display()),
                "create it first, or choose another path",
            )),
        }
    })
}

/// Shows a report on stdout and writes it to the files asked for.
pub fn show(result: &Outcome, output: &Output) -> Result<(), Report> {
    let kept = match result.origin {
        Some(_) => String::new(),
        None => format!(
            "the session is stored; write the report again with: isotare report {} --out FILE",
            result.session
        ),
    };
    show_as(output, &kept, |form, options| render(result, form.into(), options).map_err(defect))
}

/// The error for a format that cannot be written.
pub fn defect(error: RenderError) -> Report {
    fault(error, "this is a bug in isotare; please report it")
}

/// The same for everything that can be rendered. `kept` is the remedy if a file cannot be written.
pub fn show_as(
    output: &Output,
    kept: &str,
    rendered: impl Fn(Form, &Options) -> Result<String, Report>,
) -> Result<(), Report> {
    let rendered = |form: Form, color, plot| {
        let options = Options { width: terminal_width().unwrap_or(WIDE), color, plot };
        rendered(form, &options)
    };
    for path in &output.out {
        let form = form_of(path)?;
        fs::write(path, &*shown(&rendered(form, false, None)?, form))
            .map_err(|error| fault(format!("{} cannot be written: {error}", path.display()), kept))?;
    }
    let is_for_terminal = output.format == Form::Text && io::stdout().is_terminal();
    let plot = is_for_terminal.then(glyphs);
    let plain = rendered(output.format, false, plot)?;
    let may_colour = is_for_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match may_colour && !plain.contains(is_hidden) {
        true => written(write_stdout(&rendered(output.format, true, plot)?)),
        false => print(&plain, output.format),
    }
}

/// Writes to stdout, with hidden characters made visible. A closed pipe is not an error.
pub fn print(text: &str, form: Form) -> Result<(), Report> {
    written(write(text, form))
}

/// The same, but a closed pipe is an error.
pub fn write(text: &str, form: Form) -> io::Result<()> {
    write_stdout(&shown(text, form))
}

/// Writes a message to stderr, with hidden characters made visible. A closed pipe is not an error.
pub fn say(line: &str) {
    remember(line);
    let _unheard = writeln!(io::stderr(), "{}", visible(line));
}

/// Messages that no session has kept yet, with their times.
static SAID: Mutex<Vec<(SystemTime, String)>> = Mutex::new(Vec::new());

/// Remembers a message for the log of the session. A command without a session takes none, so what waits is bounded.
pub fn remember(line: &str) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.iter().map(|(_, line)| line.len()).sum::<usize>() < LOG_LIMIT {
        said.push((SystemTime::now(), visible(line.trim_end()).into_owned()));
    }
}

/// Takes the messages since the last call.
pub fn said() -> Vec<(SystemTime, String)> {
    std::mem::take(&mut SAID.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Writes a text with our own colours, `styled`, to stderr. If the same text without colours, `plain`, has
/// hidden characters, it is written instead.
pub fn say_styled(plain: &str, styled: &str) {
    match plain.contains(is_hidden) {
        true => say(plain),
        false => {
            remember(plain);
            let _unheard = writeln!(io::stderr(), "{styled}");
        }
    }
}

/// Stderr for the lines of a log, with hidden characters made visible.
pub struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        remember(&text);
        io::stderr().write_all(visible(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Text of this format in which hidden characters are escapes, so that the name of a file or process, or the
/// output of an instance, cannot control the user's terminal.
fn shown(text: &str, form: Form) -> Cow<'_, str> {
    if form == Form::Json { visible_json(text) } else { visible(text) }
}

fn write_stdout(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush())
}

fn written(result: io::Result<()>) -> Result<(), Report> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(fault(format!("stdout cannot be written: {error}"), ""))
        }
        _ => Ok(()),
    }
}

/// Columns for what is no terminal: enough for every table.
const WIDE: u16 = 120;

/// Columns that the user prefers (`COLUMNS`), or that the terminal has; `None`: neither tells.
pub fn terminal_width() -> Option<u16> {
    let preferred = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col);
    preferred.filter(|&columns| columns > 0).or_else(|| size().filter(|&columns| columns > 0))
}

/// What the terminal can show.
fn glyphs() -> Glyphs {
    if supports_unicode::supports_unicode() { Glyphs::Unicode } else { Glyphs::Ascii }
}

fn form_of(path: &Path) -> Result<Form, Report> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("txt") => Ok(Form::Text),
        Some("json") => Ok(Form::Json),
        Some("csv") => Ok(Form::Csv),
        Some("md") => Ok(Form::Markdown),
        Some("html" | "htm") => Ok(Form::Html),
        _ => Err(refuse(
            format!("the file extension of {} is not one of a report", path.display()),
            "use .txt, .json, .csv, .md or .html",
        )),
    }
}

/// A fraction in per cent, without unnecessary digits.
pub fn percent(fraction: f64) -> String {
    let digits = if fraction.abs() < 0.1 { 2 } else { 1 };
    let text = format!("{:.digits$}", 100.0 * fraction);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
