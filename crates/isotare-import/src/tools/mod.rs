//! The tools whose output can be read, one file for each. Decoders are pure functions from text to runs.

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

/// A tool whose output can be read.
pub struct Tool {
    /// Its name, as `--type` takes it and `tool` gives it.
    pub name: &'static str,
    /// The output that can be read: one line for help pages.
    pub summary: &'static str,
    /// Whether the beginning of a text (whole lines, at most [`HEAD`] bytes) was printed by this tool. The
    /// answer must be certain: if two tools accept a text, the first one of the list is used.
    pub recognises: fn(&str) -> bool,
    /// Reads a complete text. It never fails: a part that cannot be used becomes a run without numbers.
    pub decode: fn(&str) -> Decoded,
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a reader needs to interpret the figures of a tool's runs. For example, sysbench's latencies are the
/// times that its threads work on events, unless events wait in a queue.
pub fn info(spec: &WorkloadSpec) -> WorkloadInfo {
    let label = |key: &str| spec.pairs().find(|(known, _)| *known == key).map(|(_, value)| value);
    let is_known = spec.name == sysbench::SYSBENCH.name && label("rate").is_none();
    let threads = is_known.then(|| label("threads").map_or(Some(1), |threads| threads.parse().ok()));
    WorkloadInfo { threads: threads.flatten(), ..WorkloadInfo::default() }
}

/// Number of bytes of a text that are used to recognise its tool.
pub const HEAD: usize = 1 << 18;

/// All tools. Those that are recognised most reliably come first.
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

/// The beginning of a text, as whole lines.
fn head(text: &str) -> &str {
    if text.len() <= HEAD {
        return text;
    }
    let end = (0..=HEAD).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let whole = text[..end].rfind('\n').map_or(end, |newline| newline + 1);
    &text[..whole]
}
