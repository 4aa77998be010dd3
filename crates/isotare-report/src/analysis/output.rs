//! How much the workloads wrote, and how much of it is kept.

use crate::output::{CutOutput, OutputRow, StreamRow};
use crate::quantity::quantity;
use isotare_core::{Captured, Plan, Streams, Trial};

/// The output of one trial. If it is kept completely, nothing is cut.
pub(super) fn row(streams: &Streams, plan: &Plan) -> OutputRow {
    let stream = |stream: &Captured| StreamRow {
        bytes: stream.bytes,
        sha256: stream.sha256.clone(),
        cut: if plan.keep_output { 0 } else { stream.cut() },
    };
    OutputRow { stdout: stream(&streams.stdout), stderr: stream(&streams.stderr) }
}

/// How much was cut in the whole session; `None`: nothing.
pub(super) fn cut(trials: &[Trial], plan: &Plan) -> Option<CutOutput> {
    if plan.keep_output {
        return None;
    }
    let cut = |streams: &Streams| streams.stdout.cut().saturating_add(streams.stderr.cut());
    let cuts: Vec<u64> =
        trials.iter().filter_map(|trial| trial.output.as_ref()).map(cut).filter(|cut| *cut > 0).collect();
    let bytes = cuts.iter().fold(0_u64, |sum, cut| sum.saturating_add(*cut));
    let sentence = format!(
        "output: {} of {} trials wrote more than isotare keeps; for each stream it keeps the size, the \
         SHA-256 and the first and last 64 KiB; {} in total were cut (--keep-output keeps everything)",
        cuts.len(),
        trials.len(),
        quantity(bytes as f64, "B", None)
    );
    let trials = u32::try_from(cuts.len()).unwrap_or(u32::MAX);
    (trials > 0).then_some(CutOutput { trials, bytes, sentence })
}
