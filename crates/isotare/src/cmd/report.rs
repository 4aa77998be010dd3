//! `isotare report`: a session shown again.

use crate::cli::{Form, ReportArgs};
use crate::execute::store_path;
use crate::exit::{Exit, refuse};
use crate::output;
use crate::table::Table;
use isotare_report::analyse;
use isotare_store::Store;
use miette::Report;
use serde_json::json;

/// Shows a session, or the list of them.
pub fn report(arguments: &ReportArgs) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    let path = store_path(&arguments.places)?;
    if !path.exists() {
        return Err(refuse(
            format!("there is no store of sessions at {}", path.display()),
            "run 'isotare compare' first, or name the store with --store",
        ));
    }
    let store =
        Store::open_to_read(&path).map_err(|error| refuse(error, "name another file with --store"))?;
    if arguments.list {
        let sessions = store.sessions().map_err(|error| refuse(error, ""))?;
        let mut table = Table::new(&["session", "started", "trials", "end"]);
        for session in &sessions {
            let end =
                session.end.map_or_else(|| "cut off".to_owned(), |end| format!("{end:?}").to_lowercase());
            table.row([session.id.clone(), session.started.clone(), session.trials.to_string(), end]);
        }
        table.show(Form::Text, &json!(null))?;
        return Ok(Exit::Done);
    }
    let kept = store
        .load(&arguments.session)
        .map_err(|error| refuse(error, "'isotare report --list' shows the sessions that are kept"))?;
    output::show(&analyse(&kept.session, &kept.trials, kept.end), &arguments.output)?;
    Ok(Exit::Done)
}
