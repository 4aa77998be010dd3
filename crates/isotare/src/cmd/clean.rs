//! `isotare clean`: removes what interrupted sessions left, by recorded identity.

use crate::cli::Clean;
use crate::exit::{Exit, fault, refuse};
use crate::machine::remove_session_cgroup;
use crate::table::Table;
use isotare_core::{Interrupt, with_sources};
use isotare_host::{StaleSession, deadline_in, state_root};
use miette::Report;
use serde_json::json;
use std::time::Duration;

/// Time for one session's leftovers.
const CLEANUP: Duration = Duration::from_secs(120);

/// Removes the leftovers of every session whose process is gone.
pub fn clean(arguments: &Clean) -> Result<Exit, Report> {
    let root = state_root();
    let stale = StaleSession::list(&root).map_err(|error| {
        refuse(
            format!("{} cannot be read: {error}", root.display()),
            "run the command as the user who ran the session; if another user made the folder, remove it \
             yourself, or name another folder in ISOTARE_STATE",
        )
    })?;
    let mut table = Table::new(&["session", "what", "result"]);
    let (mut removed, mut failed, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for session in stale {
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                let why = with_sources(&error);
                table.row(["–".to_owned(), "this record is not trusted".to_owned(), why.clone()]);
                refused.push(why);
                continue;
            }
        };
        let deadline = deadline_in(CLEANUP, &Interrupt::default());
        let driver = |name: &str| isotare_drivers::find(name).ok();
        let mut done = isotare_runner::clean(session.resources.clone(), &driver, &deadline);
        remove_session_cgroup(&session.id, &mut done);
        let id = session.id.clone();
        for resource in &done.removed {
            table.row([id.clone(), resource.to_string(), "removed".to_owned()]);
            removed.push(json!({ "session": id, "resource": resource }));
        }
        for (resource, why) in &done.failed {
            table.row([id.clone(), resource.to_string(), why.clone()]);
            failed.push(json!({ "session": id, "resource": resource, "reason": why }));
        }
        if done.failed.is_empty() {
            session.close().map_err(|error| {
                fault(format!("the record of {id} was not removed: {}", with_sources(&error)), "")
            })?;
            table.note(format!("{id}: nothing is left"));
        }
    }
    if table.is_empty() {
        table.note("no interrupted session left anything behind");
    }
    let exit = if failed.is_empty() && refused.is_empty() { Exit::Done } else { Exit::Incomplete };
    table.show(arguments.format, &json!({ "removed": removed, "failed": failed, "refused": refused }))?;
    Ok(exit)
}
