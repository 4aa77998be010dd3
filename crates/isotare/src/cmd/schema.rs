//! `isotare schema`: the JSON schema of experiment files.

use crate::cli::Form;
use crate::cmd::run::known;
use crate::exit::{Exit, fault};
use crate::output;
use isotare_plan::json_schema;
use miette::Report;

/// Prints the schema.
pub fn schema() -> Result<Exit, Report> {
    let (drivers, workloads) = known();
    let text = serde_json::to_string_pretty(&json_schema(&drivers, &workloads))
        .map_err(|error| fault(error, "this is a bug in isotare; please report it"))?;
    output::print(&format!("{text}\n"), Form::Json)?;
    Ok(Exit::Done)
}
