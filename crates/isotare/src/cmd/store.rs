//! `isotare store`: how large the store of sessions is, and making it smaller.

use crate::cli::{KeptOutput, Places, Prune, StoreArgs, StoreVerb};
use crate::execute::{kept_sessions, store_path};
use crate::exit::{Exit, fault, refuse, store_error};
use crate::output::say;
use crate::table::Table;
use isotare_host::{StaleSession, state_root};
use isotare_store::{Store, Summary};
use miette::Report;
use serde_json::json;
use std::io::{self, IsTerminal, Write};

/// Does what was asked of the store.
pub fn store(arguments: &StoreArgs) -> Result<Exit, Report> {
    match &arguments.verb {
        StoreVerb::Size { format, places } => {
            let store = there(places)?;
            let usage = store.usage().map_err(|error| store_error(error, ""))?;
            let mut table = Table::new(&["session", "started", "trials", "kept output"]);
            let mut rows = Vec::new();
            for session in store.sessions().map_err(|error| store_error(error, ""))? {
                let output = usage.output.get(&session.id).copied().unwrap_or(0);
                let cells =
                    [session.id.clone(), session.started.clone(), session.trials.to_string(), bytes(output)];
                table.row(cells);
                rows.push(json!({
                    "session": session.id, "started": session.started, "trials": session.trials, "output_bytes": output,
                }));
            }
            let path = store.path().display().to_string();
            table.note(format!("{path}: {}, of which {} are unused", bytes(usage.file), bytes(usage.free)));
            let json = json!({
                "store": path, "bytes": usage.file, "unused_bytes": usage.free, "sessions": rows,
            });
            table.show(*format, &json)?;
        }
        StoreVerb::Prune(arguments) => prune(arguments)?,
        StoreVerb::Vacuum { places } => vacuum(&mut writable(places)?)?,
        StoreVerb::Output(arguments) => output(arguments)?,
    }
    Ok(Exit::Done)
}

/// Removes sessions, or only says which.
fn prune(arguments: &Prune) -> Result<(), Report> {
    let mut store = writable(&arguments.places)?;
    let sessions = store.sessions().map_err(|error| store_error(error, ""))?;
    let chosen = chosen(arguments, &store, &sessions)?;
    let mut table = Table::new(&["session", "started", "trials", "result"]);
    let mut rows = Vec::new();
    let mut removed = 0;
    for session in chosen {
        let result = match (is_running(session), arguments.dry_run) {
            (true, _) => "kept: it is still running",
            (false, true) => "would be removed",
            (false, false) => {
                store.remove(&session.id).map_err(|error| store_error(error, ""))?;
                removed += 1;
                "removed"
            }
        };
        let cells =
            [session.id.clone(), session.started.clone(), session.trials.to_string(), result.to_owned()];
        table.row(cells);
        rows.push(json!({ "session": session.id, "started": session.started, "result": result }));
    }
    if rows.is_empty() {
        table.note("no session matches, so nothing is removed");
    }
    table.show(arguments.format, &json!({ "sessions": rows }))?;
    if removed > 0 { vacuum(&mut store) } else { Ok(()) }
}

/// The named sessions, or the sessions that are too old and not among the newest ones that have to be kept.
fn chosen<'a>(arguments: &Prune, store: &Store, sessions: &'a [Summary]) -> Result<Vec<&'a Summary>, Report> {
    if !arguments.sessions.is_empty() {
        let mut ids = Vec::new();
        for asked in &arguments.sessions {
            ids.push(store.find(asked).map_err(|error| {
                refuse(error, "nothing was removed; 'isotare store size' lists the stored sessions")
            })?);
        }
        return Ok(sessions.iter().filter(|session| ids.contains(&session.id)).collect());
    }
    let old = match arguments.older_than {
        Some(seconds) => Some(store.older_than(seconds).map_err(|error| store_error(error, ""))?),
        None => None,
    };
    let is_old = |session: &&Summary| old.as_ref().is_none_or(|old| old.contains(&session.id));
    Ok(sessions.iter().skip(arguments.keep.unwrap_or(0)).filter(is_old).collect())
}

/// Whether a process of this machine still adds trials to it.
fn is_running(session: &Summary) -> bool {
    let root = state_root();
    let is_stale = || {
        let stale = StaleSession::list(&root).unwrap_or_default();
        stale.iter().flatten().any(|stale| stale.id == session.id)
    };
    session.end.is_none() && root.join(&session.id).is_dir() && !is_stale()
}

fn vacuum(store: &mut Store) -> Result<(), Report> {
    let size = |store: &Store| store.usage().map(|usage| usage.file).map_err(|error| store_error(error, ""));
    let before = size(store)?;
    store.vacuum().map_err(|error| store_error(error, "afterwards run 'isotare store vacuum'"))?;
    say(&format!("{}: {} before, {} now", store.path().display(), bytes(before), bytes(size(store)?)));
    Ok(())
}

/// Writes what a trial wrote, byte for byte, to a file or pipe.
fn output(arguments: &KeptOutput) -> Result<(), Report> {
    let store = there(&arguments.places)?;
    let stream = if arguments.stderr { "stderr" } else { "stdout" };
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(refuse(
            "the output of an instance is not printed to a terminal, because it can contain control \
             characters that change the terminal",
            "redirect it to a file (> FILE) or to a pager (| less)",
        ));
    }
    let written = store
        .write_output(&arguments.session, arguments.trial, stream, &mut out)
        .map_err(|error| refuse(error, "'isotare store size' lists the stored sessions"))?;
    match written.and_then(|is_kept| out.flush().map(|()| is_kept)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(refuse(
            format!(
                "the store does not have the complete {stream} of trial {} of {}",
                arguments.trial, arguments.session
            ),
            "measure with the option --keep-output; trials are numbered from 0, as in the JSON report",
        )),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(fault(format!("stdout cannot be written: {error}"), "write elsewhere")),
    }
}

fn there(places: &Places) -> Result<Store, Report> {
    kept_sessions(&store_path(places)?, "run 'isotare compare' first, or name the store with --store")
}

fn writable(places: &Places) -> Result<Store, Report> {
    // These commands must not create a store that does not exist.
    drop(there(places)?);
    Store::open(&store_path(places)?).map_err(|error| store_error(error, ""))
}

/// A size as people read it, in powers of 1024.
fn bytes(count: u64) -> String {
    let (unit, size) = match count {
        0..1024 => return format!("{count} B"),
        1024..1_048_576 => ("KiB", 1024.0),
        1_048_576..1_073_741_824 => ("MiB", 1_048_576.0),
        _ => ("GiB", 1_073_741_824.0),
    };
    format!("{:.1} {unit}", count as f64 / size)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_have_a_unit() {
        let read = [0, 1023, 1024, 1_572_864, 757 << 20, 3 << 30].map(super::bytes);
        assert_eq!(read, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "757.0 MiB", "3.0 GiB"]);
    }
}
