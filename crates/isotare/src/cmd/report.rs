//! `isotare report`: a session shown again.

use crate::cli::{Form, ReportArgs};
use crate::execute::{kept_session, kept_sessions, store_path};
use crate::exit::{Exit, store_error};
use crate::output;
use crate::table::Table;
use isotare_report::analyse;
use isotare_store::LogLine;
use miette::Report;
use serde_json::json;

const LIST: &str = "'isotare report --list' shows the sessions that are kept";

/// Shows a session, or the list of them.
pub fn report(arguments: &ReportArgs) -> Result<Exit, Report> {
    output::check(&arguments.output)?;
    let path = store_path(&arguments.places)?;
    let store = kept_sessions(&path, "run 'isotare compare' first, or name the store with --store")?;
    if arguments.list {
        let sessions = store.sessions().map_err(|error| store_error(error, ""))?;
        let mut table = Table::new(&["session", "started", "trials", "completed", "end"]);
        for session in &sessions {
            let end = session.end.map_or("cut off", |end| end.word()).to_owned();
            let [trials, completed] = [session.trials, session.completed].map(|count| count.to_string());
            table.row([session.id.clone(), session.started.clone(), trials, completed, end]);
        }
        table.show(Form::Text, &json!(null))?;
        return Ok(Exit::Done);
    }
    if arguments.log {
        let lines = store.read_log(&arguments.session).map_err(|error| store_error(error, LIST))?;
        let text: String = lines.iter().map(|LogLine { at, line }| format!("{at}  {line}\n")).collect();
        output::print(&text, Form::Text)?;
        return Ok(Exit::Done);
    }
    let kept = kept_session(&store, &arguments.session)?;
    output::show(&analyse(&kept.session, &kept.trials, kept.end), &arguments.output)?;
    Ok(Exit::Done)
}
