//! `openssl speed` of OpenSSL 0.9.8 to 3.5 and LibreSSL.
//!
//! While it works, it prints lines to its standard error (`Doing …`). At its end it prints tables: one with
//! the rate for each block size, and one with the operations in a second for each kind of key (`table`). With
//! `-mr` these are lines of `+H`, `+F`, `+F2`, … (`machine`). With `-multi` it also prints the lines that it
//! got from each of its processes. Its tables then cover all processes together, and the block sizes are only
//! in the lines of the processes. Each row is a run; in a table of block sizes, each cell is a run. Times are
//! not used if there are rates, because they are the inverses of the rates with fewer digits
//! (`apps/speed.c`).

mod machine;
mod table;

use crate::tools::Tool;
use crate::{Decoded, Run};

/// openssl speed.
pub static OPENSSL: Tool = Tool {
    name: "openssl",
    summary: "the tables of openssl speed, with and without -mr: a run for each algorithm and block size",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    let mut before = None;
    head.lines().any(|line| {
        let is_row = before.as_ref().is_some_and(|header| table::row(header, line).is_some());
        before = table::header(line);
        is_row
            || line.starts_with("The 'numbers' are in 1000s of bytes per second processed.")
            || machine::is_line(line)
            || is_progress(line)
            || line.starts_with("+DT:")
            || line.starts_with("+DTP:")
            || refusal(line).is_some()
    })
}

/// Whether a line shows progress: `Doing sha256 for 3s on 16 size blocks: …`, `Doing 2048 bits private rsa's
/// for 10s: …`.
fn is_progress(line: &str) -> bool {
    let Some((what, rest)) = line.strip_prefix("Doing ").and_then(|rest| rest.rsplit_once(" for ")) else {
        return false;
    };
    let seconds = rest.split(['s', ' ']).next().unwrap_or("");
    let is_time = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_time && (rest.contains(" size blocks: ") || what.contains(" bits ") || what.ends_with(" ops"))
}

/// The version `3.0.16` in `version: 3.0.16`, or `1.1.1n` in `OpenSSL 1.1.1n  15 Mar 2022`.
fn version(line: &str) -> Option<&str> {
    let library = || line.strip_prefix("OpenSSL ").or_else(|| line.strip_prefix("LibreSSL "));
    let version = line.strip_prefix("version: ").or_else(library)?.split_ascii_whitespace().next()?;
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version)
}

/// The message about arguments that it refuses.
fn refusal(line: &str) -> Option<&str> {
    let said = line.strip_prefix("speed: ")?;
    let begins = ["Unknown", "unknown", "Error", "Option", "Use -help"];
    begins.iter().any(|begin| said.starts_with(begin)).then_some(said.trim_end())
}

/// The block sizes in `Got: +H:16:64 from 0`.
fn got_sizes(line: &str) -> Option<Vec<&str>> {
    let sizes = line.strip_prefix("Got: +H:")?.split_once(" from ")?.0;
    Some(sizes.split(':').collect())
}

/// The number of the process in `Forked child 1`.
fn forked(line: &str) -> Option<u32> {
    line.strip_prefix("Forked child ")?.trim_end().parse().ok()
}

fn decode(text: &str) -> Decoded {
    let mut reader = Reader::default();
    let ends_whole = text.ends_with('\n');
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        reader.take(at + 1, line, ends_whole || lines.peek().is_some());
    }
    reader.table.close(&mut reader.runs);
    reader.end_work();
    reader.runs.append(&mut reader.machine.runs());
    reader.runs.sort_by_key(|run| run.line);
    Decoded { version: reader.version.map(str::to_owned), runs: reader.runs, ..Decoded::default() }
}

#[derive(Default)]
struct Reader<'a> {
    version: Option<&'a str>,
    runs: Vec<Run>,
    table: table::Table<'a>,
    machine: machine::Machine<'a>,
    /// The line on which work began whose table has not been read yet, and the description of the work.
    working: Option<(usize, &'a str)>,
    /// The number of processes of `-multi` that were started so far, and later of the current tables.
    forked: Option<u32>,
    processes: Option<u32>,
}

impl<'a> Reader<'a> {
    fn end_work(&mut self) {
        if let Some((line, _)) = self.working.take() {
            self.runs.push(Run::incomplete(line, "it ended before its tables were printed"));
        }
    }

    fn take(&mut self, at: usize, line: &'a str, is_whole: bool) {
        if let Some(number) = forked(line) {
            self.forked = Some(number + 1);
        } else if let Some(version) = version(line) {
            self.version.get_or_insert(version);
            self.processes = self.forked.take();
        } else if machine::is_line(line) {
            if self.forked.is_some() {
                self.processes = self.forked.take();
            }
            self.working = None;
            self.machine.take(at, line, is_whole, self.processes);
        } else if let Some(sizes) = got_sizes(line) {
            self.working = None;
            self.machine.take(at, line, is_whole, self.processes);
            self.table.close(&mut self.runs);
            self.table = table::Table::new(at, table::Header::Blocks(sizes), self.forked);
            self.table.is_implied = true;
        } else if let Some(header) = table::header(line) {
            self.working = None;
            self.table.close(&mut self.runs);
            self.table = table::Table::new(at, header, self.processes);
        } else if is_progress(line) || line.starts_with("+DT") {
            self.table.close(&mut self.runs);
            let work = line.split(':').next().unwrap_or(line);
            // The same work begins again, so the invocation before ended without its tables. With `-multi`
            // each process prints this line.
            if self.working.is_some_and(|(_, first)| first == work && !line.starts_with('+')) {
                self.end_work();
            }
            self.working.get_or_insert((at, work));
        } else if let Some(refusal) = refusal(line) {
            self.runs.push(Run::unreadable(at, refusal));
        } else {
            self.table.take(at, line, is_whole);
        }
    }
}

const MIXED: &str = "its lines are mixed with those of another run";

/// The metric for the name of a column of rates.
fn rate_of(column: &str) -> Option<&'static str> {
    Some(match column {
        "sign/s" | "signs/s" | "sign" => "signs_per_second",
        "verify/s" | "verify" => "verifies_per_second",
        "encr./s" | "encrypt" => "encryptions_per_second",
        "decr./s" | "decrypt" => "decryptions_per_second",
        "op/s" | "op" => "operations_per_second",
        "keygens/s" | "keygen" => "keygens_per_second",
        "encaps/s" | "encaps" => "encapsulations_per_second",
        "decaps/s" | "decaps" => "decapsulations_per_second",
        _ => return None,
    })
}

fn with_processes(run: Run, processes: Option<u32>) -> Run {
    match processes {
        Some(processes) => run.with("processes", processes.to_string()),
        None => run,
    }
}

#[cfg(test)]
mod tests;
