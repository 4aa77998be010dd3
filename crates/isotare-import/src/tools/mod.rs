//! The tools whose outputs are understood, one file each. Decoders are pure: text in, runs out.

mod ab;
mod criterion;
mod dd;
mod fio;
mod hyperfine;
mod ioping;
mod iostat;
mod iperf3;
mod mbw;
mod mpstat;
mod oha;
mod openssl;
mod perf;
mod perftest;
mod pgbench;
mod pidstat;
mod redis_benchmark;
mod report;
mod sadf;
mod sar;
mod series;
mod sound;
mod stress_ng;
mod sysbench;
mod top;
mod vmstat;
mod wrk;
mod ycsb;

use crate::Decoded;
use isotare_core::{WorkloadInfo, WorkloadSpec};

/// A tool whose output is understood.
pub struct Tool {
    /// Its name, as `--type` takes it and `tool` gives it.
    pub name: &'static str,
    /// What is understood of it: one line for help pages.
    pub summary: &'static str,
    /// Whether the beginning of a text (at most [`HEAD`] bytes, whole lines) is this tool's. It has to be sure: a text that two tools
    /// claim goes to the first.
    pub recognises: fn(&str) -> bool,
    /// Reads a whole text. Never fails: what cannot be used is a run without numbers.
    pub decode: fn(&str) -> Decoded,
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What has to be known of the workload that a tool's runs make: latencies of sysbench are times of work of its threads, unless
/// its events wait in a queue.
pub fn info(spec: &WorkloadSpec) -> WorkloadInfo {
    let label = |key: &str| spec.pairs().find(|(known, _)| *known == key).map(|(_, value)| value);
    let is_known = spec.name == sysbench::SYSBENCH.name && label("rate").is_none();
    let threads = is_known.then(|| label("threads").map_or(Some(1), |threads| threads.parse().ok()));
    WorkloadInfo { threads: threads.flatten(), ..WorkloadInfo::default() }
}

/// Bytes of a text that are looked at to tell whose it is.
pub const HEAD: usize = 1 << 18;

/// Every tool, those whose marks are surest first.
pub static TOOLS: &[&Tool] = &[
    &sysbench::SYSBENCH,
    &fio::FIO,
    &iperf3::IPERF3,
    &oha::OHA,
    &hyperfine::HYPERFINE,
    &criterion::CRITERION,
    &stress_ng::STRESS_NG,
    &mbw::MBW,
    &openssl::OPENSSL,
    &dd::DD,
    &ioping::IOPING,
    &perf::PERF,
    &sadf::SADF,
    &pidstat::PIDSTAT,
    &mpstat::MPSTAT,
    &iostat::IOSTAT,
    &sar::SAR,
    &vmstat::VMSTAT,
    &top::TOP,
    &ab::AB,
    &wrk::WRK,
    &pgbench::PGBENCH,
    &perftest::PERFTEST,
    &ycsb::YCSB,
    &redis_benchmark::REDIS_BENCHMARK,
];

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().copied().find(|tool| tool.name == name)
}

/// The tool whose output this text is.
pub fn recognise(text: &str) -> Option<&'static Tool> {
    let head = head(text);
    TOOLS.iter().copied().find(|tool| (tool.recognises)(head))
}

/// The first lines of a text.
fn head(text: &str) -> &str {
    if text.len() <= HEAD {
        return text;
    }
    let end = (0..=HEAD).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let whole = text[..end].rfind('\n').map_or(end, |newline| newline + 1);
    &text[..whole]
}
