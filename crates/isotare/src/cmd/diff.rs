//! `isotare diff`: how overheads changed from one session to another.

use crate::cli::Diff;
use crate::execute::{kept_session, kept_sessions, store_path};
use crate::exit::{Exit, refuse};
use crate::output;
use isotare_report::{Difference, render_diff};
use isotare_store::Record;
use miette::Report;
use std::path::Path;

/// Compares two sessions. The exit code is 4 if an overhead has increased.
pub fn diff(arguments: &Diff) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    let store = store_path(&arguments.places)?;
    let before = load(&store, &arguments.before)?;
    let after = load(arguments.store_b.as_deref().unwrap_or(&store), &arguments.after)?;
    let (old, new) = ((&before.session, &*before.trials), (&after.session, &*after.trials));
    let found = isotare_report::diff(old, new, arguments.margin, arguments.level)
        .map_err(|error| refuse(error, "choose two sessions of the same experiment"))?;
    let obstacles: Vec<String> = found.obstacles().map(Difference::to_string).collect();
    if !obstacles.is_empty() && !arguments.force {
        return Err(refuse(
            format!("the sessions are not the same experiment: {}", obstacles.join("; ")),
            "measure both on the same machine with the same version of isotare and the same budget, or \
             compare them anyway with --force",
        ));
    }
    output::show_as(&arguments.output, "", |form, options| {
        render_diff(&found, form.into(), options).map_err(output::defect)
    })?;
    Ok(if found.regressions().next().is_some() { Exit::Regression } else { Exit::Done })
}

fn load(path: &Path, session: &str) -> Result<Record, Report> {
    let elsewhere = "name the store with --store, and the store of the second session with --store-b";
    kept_session(&kept_sessions(path, elsewhere)?, session)
}
