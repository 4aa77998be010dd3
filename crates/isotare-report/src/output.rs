//! The parts of a report about the output of workloads.

use serde::Serialize;

/// What the workload of a trial wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputRow {
    /// Standard output.
    pub stdout: StreamRow,
    /// Standard error.
    pub stderr: StreamRow,
}

/// One stream of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamRow {
    /// Bytes written.
    pub bytes: u64,
    /// SHA-256 of all of them, as `sha256sum` prints it.
    pub sha256: String,
    /// Number of bytes that are not kept. The first and last 64 KiB are kept.
    pub cut: u64,
}

/// A part of the output is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CutOutput {
    /// Number of trials whose output was cut.
    pub trials: u32,
    /// Bytes that were cut, of all trials together.
    pub bytes: u64,
    /// The same as a sentence.
    pub sentence: String,
}
