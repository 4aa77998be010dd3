//! Writes the page of an invented session, to look at it: `cargo run -p isotare-report --example demo_page --
//! page.html`. A second argument chooses another format: text, color, markdown, json or csv.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use isotare_core::SessionEnd;
use isotare_report::{Format, Options, analyse, render};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "page.html".to_owned());
    let color = Options { color: true, ..Options::default() };
    let (format, options) = match arguments.next().as_deref() {
        None | Some("html") => (Format::Html, Options::default()),
        Some("text") => (Format::Text, Options::default()),
        Some("color") => (Format::Text, color),
        Some("markdown") => (Format::Markdown, Options::default()),
        Some("json") => (Format::Json, Options::default()),
        Some("csv") => (Format::Csv, Options::default()),
        Some(other) => return Err(format!("unknown format '{other}'").into()),
    };
    let (session, trials) = fixture::Fixture::default().build();
    let report = analyse(&session, &trials, Some(SessionEnd::Complete));
    std::fs::write(path, render(&report, format, &options)?)?;
    Ok(())
}
