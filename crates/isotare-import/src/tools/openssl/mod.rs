//! `openssl speed` of OpenSSL 0.9.8 to 3.5 and LibreSSL.
//!
//! While it works it prints lines to its standard error (`Doing …`), and at its end tables: one of rates for
//! each block size, and one of operations in a second for each kind of key (`table`). With `-mr` they are
//! lines of `+H`, `+F`, `+F2`, … (`machine`). With `-multi` it also prints what it got from each of its
//! processes; the tables are of all together, and the block sizes stand only in what it got. Each row is a
//! run, or for block sizes each cell. Times are not used if there are rates: they are the inverses of the
//! rates with fewer digits (`apps/speed.c`).

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

/// `Doing sha256 for 3s on 16 size blocks: …`, `Doing 2048 bits private rsa's for 10s: …`.
fn is_progress(line: &str) -> bool {
    let Some((what, rest)) = line.strip_prefix("Doing ").and_then(|rest| rest.rsplit_once(" for ")) else {
        return false;
    };
    let seconds = rest.split(['s', ' ']).next().unwrap_or("");
    let is_time = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_time && (rest.contains(" size blocks: ") || what.contains(" bits ") || what.ends_with(" ops"))
}

/// `3.0.16` in `version: 3.0.16` and in `OpenSSL 1.1.1n  15 Mar 2022`.
fn version(line: &str) -> Option<&str> {
    let library = || line.strip_prefix("OpenSSL ").or_else(|| line.strip_prefix("LibreSSL "));
    let version = line.strip_prefix("version: ").or_else(library)?.split_ascii_whitespace().next()?;
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version)
}

/// What it says when it refuses its arguments.
fn refusal(line: &str) -> Option<&str> {
    let said = line.strip_prefix("speed: ")?;
    let begins = ["Unknown", "unknown", "Error", "Option", "Use -help"];
    begins.iter().any(|begin| said.starts_with(begin)).then_some(said.trim_end())
}

/// Block sizes in `Got: +H:16:64 from 0`.
fn got_sizes(line: &str) -> Option<Vec<&str>> {
    let sizes = line.strip_prefix("Got: +H:")?.split_once(" from ")?.0;
    Some(sizes.split(':').collect())
}

/// Which of its processes began, in `Forked child 1`.
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
    /// The first line about work of which no table has been seen yet, and what it says is done.
    working: Option<(usize, &'a str)>,
    /// Processes of `-multi`, as far as they were announced.
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
            // The same again: the one before never came to its tables. With `-multi` each process says it.
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

/// Words of the columns of rates, and the metrics they are.
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
