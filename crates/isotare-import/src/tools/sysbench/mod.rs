//! `sysbench` of the lines 0.4, 0.5, 1.0 and 1.1.
//!
//! It prints a line with its version, the options of the run, one line an interval if it was asked to, and at the end a report:
//! a section of the test's own, general statistics, latencies and how even the threads were. From 0.4 to 1.1 headings and units
//! changed (`Test execution summary`, `General statistics`, `Throughput`; `12.3ms` below `response time`, `12.3` below
//! `Latency (ms)`), the lines' keys hardly. What is understood was taken from recorded outputs and from `sysbench.c`,
//! `db_driver.c`, `sb_cpu.c`, `sb_memory.c` and `sb_fileio.c` of those lines.
//!
//! From 0.5 on, `threads` and `mutex` do not print which of them they are. A run of neither name that has as many events as threads
//! is one of `mutex`: each of its threads does one.

mod block;
mod figures;
mod numbers;
mod options;

use crate::tools::Tool;
use crate::{Decoded, Run, Status};
use block::Block;

/// sysbench.
pub static SYSBENCH: Tool = Tool {
    name: "sysbench",
    summary: "the report of a run of 0.4 to 1.1: cpu, memory, threads, mutex, fileio, oltp",
    recognises,
    decode,
};

const RUNNING: &str = "Running the test with following options:";

fn recognises(head: &str) -> bool {
    let mut before = "";
    head.lines().any(|line| {
        let begins = before == RUNNING && line.starts_with("Number of threads:");
        before = line.trim_end();
        begins || version(line).is_some()
    })
}

/// `1.0.20` in `sysbench 1.0.20 (using …)`, `0.4.12` in `sysbench 0.4.12:  multi-threaded system evaluation benchmark`.
fn version(line: &str) -> Option<&str> {
    let (version, rest) = line.strip_prefix("sysbench ")?.split_once(' ')?;
    let rest = rest.trim_start();
    let is_header = rest.starts_with("(using ") || rest.starts_with("multi-threaded");
    let version = version.trim_end_matches(':').trim_start_matches('v');
    (is_header && version.starts_with(|first: char| first.is_ascii_digit())).then_some(version)
}

fn decode(text: &str) -> Decoded {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        reader.take(at + 1, line);
    }
    reader.close();
    reader.decoded
}

#[derive(Default)]
struct Reader<'a> {
    decoded: Decoded,
    open: Option<Block<'a>>,
    /// The first run that had no report: one that comes later without a beginning may be its.
    unfinished: Option<usize>,
    /// What it said of its arguments, on its standard error and so perhaps before its first line.
    refusal: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, at: usize, line: &'a str) {
        if line.starts_with("invalid option: ") || line.starts_with("Unrecognized command line argument: ") {
            match &mut self.open {
                Some(block) => block.refusal = Some(line),
                None => self.refusal = Some(line),
            }
            return;
        }
        if let Some(version) = version(line) {
            self.close();
            self.decoded.version.get_or_insert_with(|| version.to_owned());
            let block = self.open.insert(Block::new(at, true));
            block.refusal = self.refusal.take();
        } else if line.trim_end() == RUNNING {
            self.open.get_or_insert_with(|| Block::new(at, true)).begin();
        } else if let Some(block) = &mut self.open {
            block.take(line);
            if block.has_ended {
                let next = block.next_part(at + 1);
                self.close();
                self.open = next;
            }
        } else if block::is_heading(line) {
            let mut block = Block::new(at, false);
            block.take(line);
            self.open = Some(block);
        }
    }

    fn close(&mut self) {
        let Some(block) = self.open.take() else { return };
        let has_beginning = block.has_beginning;
        let Some(run) = block.into_run() else { return };
        if !has_beginning && let Some(first) = self.unfinished.take() {
            for run in self.decoded.runs.iter_mut().skip(first) {
                run.status = Status::Incomplete;
                run.reason = Some(MIXED.to_owned());
            }
        }
        if run.status == Status::Incomplete {
            self.unfinished.get_or_insert(self.decoded.runs.len());
        }
        self.decoded.runs.push(run);
    }
}

const MIXED: &str = "its lines are mixed with those of another run";

#[cfg(test)]
mod tests;
