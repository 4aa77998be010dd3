//! `sysbench` of the lines 0.4, 0.5, 1.0 and 1.1.
//!
//! It prints a line with its version, the options of the run, if requested one line for each interval, and at
//! the end a report. The report has a section of the test, general statistics, latencies, and how evenly the
//! threads worked. From 0.4 to 1.1 headings and units changed (`Test execution summary`, `General
//! statistics`, `Throughput`; `12.3ms` below `response time`, `12.3` below `Latency (ms)`), but the keys of
//! lines hardly did. The decoder was written from recorded outputs and from `sysbench.c`, `db_driver.c`,
//! `sb_cpu.c`, `sb_memory.c` and `sb_fileio.c` of these versions.
//!
//! From 0.5 on, the tests `threads` and `mutex` do not print their names. A run without a known test is
//! assumed to be `mutex` if it has as many events as threads, because each thread of `mutex` makes one event.

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
    }) || is_report(head)
}

/// Whether a text has the headings of a report. Its first lines may be missing.
fn is_report(head: &str) -> bool {
    let has = |headings: &[&str]| head.lines().any(|line| headings.contains(&line.trim_end()));
    has(&["General statistics:", "Test execution summary:"]) && has(&["Threads fairness:", "Latency (ms):"])
}

/// The version: `1.0.20` in `sysbench 1.0.20 (using …)`, `0.4.12` in `sysbench 0.4.12: multi-threaded system
/// evaluation benchmark`.
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
    reader.settle()
}

#[derive(Default)]
struct Reader<'a> {
    version: Option<&'a str>,
    open: Option<Block<'a>>,
    /// The blocks that were read completely.
    blocks: Vec<Block<'a>>,
    /// The message about arguments that sysbench refused. It is on the standard error, so it may come before
    /// the first line.
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
            self.version.get_or_insert(version);
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
        self.blocks.extend(self.open.take());
    }

    fn settle(mut self) -> Decoded {
        let warnings = join(&mut self.blocks);
        let mut runs: Vec<Run> = Vec::new();
        // Runs that have no report yet. A later report without first lines belongs to one of them.
        let mut unfinished: Vec<usize> = Vec::new();
        for block in self.blocks {
            let (has_beginning, has_report) = (block.has_beginning, block.has_report());
            let Some(run) = block.into_run() else { continue };
            if let Some(&first) = unfinished.first().filter(|_| !has_beginning) {
                for run in runs.iter_mut().skip(first) {
                    run.status = Status::Incomplete;
                    run.reason = Some(MIXED.to_owned());
                }
                unfinished.pop();
                continue;
            }
            if run.status == Status::Incomplete && !has_report {
                unfinished.push(runs.len());
            }
            runs.push(run);
        }
        runs.sort_by_key(|run| run.line);
        Decoded { version: self.version.map(str::to_owned), runs, warnings }
    }
}

/// Joins the heads and the reports of runs that were started together. Such runs first print their heads and
/// then their reports. The last of `n` heads has the first report, and `n - 1` reports without a head follow.
/// If all heads are equal, it does not matter which report belongs to which head. Returns a warning for each
/// such group.
fn join(blocks: &mut Vec<Block<'_>>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut at = 0;
    while at < blocks.len() {
        let rest = &blocks[at..];
        let heads = rest.iter().take_while(|block| block.is_head()).count();
        let bare = rest.iter().skip(heads + 1).take_while(|block| block.is_bare()).count();
        let is_group = heads > 0 && bare == heads && rest[heads].is_like(&rest[0]);
        if !is_group || !rest[..heads].iter().all(|head| head.is_like(&rest[0])) {
            at += heads + 1;
            continue;
        }
        // The first report is used for the first head.
        let lines: Vec<usize> = rest.iter().take(heads + 1).map(|block| block.line).collect();
        let line = lines[0];
        let taken: Vec<Block<'_>> = blocks.drain(at..at + heads).collect();
        for (head, block) in taken.into_iter().zip(blocks.iter_mut().skip(at + 1)) {
            block.adopt(head);
        }
        for (line, block) in lines.into_iter().zip(blocks.iter_mut().skip(at)) {
            block.line = line;
        }
        warnings.push(format!(
            "line {line}: {} runs were started before the first one ended, so they ran at the same time and \
             slowed each other",
            heads + 1
        ));
        at += heads + 1;
    }
    warnings
}

const MIXED: &str = "its lines are mixed with those of another run";

#[cfg(test)]
mod tests;
