//! What a package carries beside the program, from the same definition as the command line: completions and manual pages.

use crate::cli::Form;
use crate::exit::{Exit, refuse};
use crate::output;
use clap_complete::Shell;
use miette::Report;
use std::path::Path;

const NAME: &str = "isotare";

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<Exit, Report> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command(), NAME, &mut script);
    output::print(&String::from_utf8_lossy(&script), Form::Text)?;
    Ok(Exit::Done)
}

/// Writes `isotare.1` and a page for each verb.
pub fn man(folder: &Path) -> Result<Exit, Report> {
    clap_mangen::generate_to(crate::command(), folder).map_err(|error| {
        refuse(format!("{} cannot be written: {error}", folder.display()), "make it first")
    })?;
    Ok(Exit::Done)
}
