//! The results of the injections, calculated from reports.

use crate::evidence::{Clocks, Records};
use crate::injection::Injection;
use crate::kinds::LARGER_QUOTA;
use crate::observer::ObserverCost;
use crate::recounted::CPU_SHARE;
use isotare_core::{HostFacts, MeasuredBy};
use isotare_report::Report;
use isotare_stats::at_most_p;
use serde::Serialize;

/// p value below which the self-test fails: in a correct pipeline, chance alone gives so few recovered
/// overheads in fewer self-tests than this.
pub const SURPRISE: f64 = 0.01;
/// Version of the serialised form of [`Findings`].
pub const SCHEMA_VERSION: u32 = 1;

/// The results of a self-test. Its serialised form is the JSON output. Within one [`SCHEMA_VERSION`], fields
/// can be added, but not renamed or removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Start of the first session, RFC 3339, UTC.
    pub started: String,
    /// Version of isotare.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// The machine when the first session began, its load and what disturbs it.
    pub host: HostFacts,
    /// CPUs of the instances, as a list.
    pub cpus: String,
    /// Seed of the first session's order; each later one has the next.
    pub seed: u64,
    /// The known overheads and their estimates.
    pub injections: Vec<Recovery>,
    /// Those without an estimate. They count neither as recovered nor as missed.
    pub not_measured: Vec<NotMeasured>,
    /// All recoveries together.
    pub summary: Summary,
    /// The overhead of sampling.
    pub observer: Vec<ObserverCost>,
    /// Its allowed overhead, as a fraction.
    pub observer_target: f64,
    /// How well the clocks inside instances agreed with the host's.
    pub clocks: Clocks,
    /// Whether every environment has the facts that a fair comparison needs.
    pub records: Records,
}

/// A known overhead without an estimate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotMeasured {
    /// Kind of the injection.
    pub kind: &'static str,
    /// The injection.
    pub injection: String,
    /// Whether it cannot be injected here, or failed.
    pub status: Status,
    /// Why.
    pub reason: String,
    /// The remedy; empty if it is not known.
    pub remedy: String,
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// This machine cannot do it.
    Unavailable,
    /// Other processes used the machine so much that the true ratio is not known.
    Disturbed,
    /// Too few of its trials completed.
    Failed,
}

/// The part of its quota that the baseline must have got. If it got less, other processes used the CPU.
const WHOLE_QUOTA: f64 = 0.995;

/// A known overhead and its estimate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// Kind of the injection.
    pub kind: &'static str,
    /// The injection: what was slower.
    pub injection: String,
    /// What it was compared with.
    pub baseline: String,
    /// What was run in both.
    pub workload: String,
    /// The true ratio of the times, which is known in advance.
    pub true_ratio: f64,
    /// The estimated ratio of the times.
    pub ratio: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether the true ratio lies in the interval.
    pub recovered: bool,
    /// Blocks with a value of both.
    pub blocks: usize,
    /// Which turn, from 1.
    pub repeat: u32,
    /// The session that measured it.
    pub session: String,
}

impl Recovery {
    /// The result of a session for its injection; the error says why there is no result.
    pub fn of(injection: &Injection, report: &Report, repeat: u32) -> Result<Self, NotMeasured> {
        let lost = |status, reason: String, remedy: &str| NotMeasured {
            kind: injection.kind,
            injection: injection.environment.to_string(),
            status,
            reason,
            remedy: remedy.to_owned(),
        };
        let environment = injection.environment.to_string();
        let granted = LARGER_QUOTA as f64 / 100.0;
        let got = cpu_share(report).map(|share| share / granted);
        if let Some(got) = got.filter(|got| injection.counts_cpu_time() && *got < WHOLE_QUOTA) {
            let reason = format!(
                "because of other processes, the baseline got only {:.1} % of its quota of {LARGER_QUOTA} %, \
                 so the true ratio is not known",
                100.0 * got
            );
            return Err(lost(Status::Disturbed, reason, "repeat it when nothing else runs on the machine"));
        }
        let failed = || lost(Status::Failed, why_not(report), "");
        let row = report
            .results
            .iter()
            .find(|row| row.environment == environment && row.headline && row.source == MeasuredBy::Workload)
            .ok_or_else(failed)?;
        let (Some(ratio), Some(low), Some(high)) = (row.cost, row.cost_low, row.cost_high) else {
            return Err(failed());
        };
        let true_ratio = injection.true_ratio;
        Ok(Self {
            kind: injection.kind,
            injection: environment,
            baseline: row.baseline.clone(),
            workload: injection.workload().to_string(),
            true_ratio,
            ratio,
            low,
            high,
            recovered: (low..=high).contains(&true_ratio),
            blocks: row.blocks,
            repeat,
            session: report.session.clone(),
        })
    }
}

/// The part of a CPU that one thread of the baseline's workload got, in the median.
fn cpu_share(report: &Report) -> Option<f64> {
    report.baseline_values.iter().find(|row| row.metric == CPU_SHARE.name)?.value
}

/// The first reason for which a trial did not complete.
fn why_not(report: &Report) -> String {
    let failure = report.trials.iter().find_map(|trial| trial.failure.as_ref());
    failure.map_or_else(|| "too few blocks completed".to_owned(), |failure| failure.reason.clone())
}

/// All recoveries together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Overheads that were measured.
    pub measured: usize,
    /// Number of those whose interval contains the true ratio.
    pub recovered: usize,
    /// The expected fraction.
    pub level: f64,
    /// Probability of this number or fewer if the expected fraction is true (binomial).
    pub p: f64,
    /// Whether the self-test passed: this probability is not too small.
    pub passed: bool,
}

impl Summary {
    /// Of these recoveries, whose intervals have this level.
    pub fn of(recoveries: &[Recovery], level: f64) -> Self {
        let recovered = recoveries.iter().filter(|found| found.recovered).count();
        let p = at_most_p(recovered as u64, recoveries.len() as u64, level);
        Self { measured: recoveries.len(), recovered, level, p, passed: p >= SURPRISE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{
        Better, Budget, CpuSet, Failure, MetricDef, Outcome, Sample, Session, SessionEnd, Trial,
    };
    use isotare_plan::Design;
    use isotare_report::analyse;
    use std::collections::BTreeMap;

    /// The finding of a session in which the injected condition took `ratio` times as long, and the baseline
    /// got `share` of its quota.
    fn found(text: &str, ratio: f64, share: f64, outcome: Outcome) -> Result<Recovery, NotMeasured> {
        let injection = Injection::of(&text.parse().expect(text)).expect(text);
        let budget = Budget { cpus: CpuSet::new([0]).expect("one"), memory: 1 << 30, processes: None };
        let plan = isotare_plan::plan(&injection.design(&Design::new(budget, 3))).expect("a valid design");
        let trial = |(index, slot): (u32, &isotare_core::Slot)| {
            let is_slower = plan.conditions[slot.condition].environment == injection.environment;
            let jitter = 1.0 + 0.001 * f64::from(index * 7 % 11);
            let rate = 1000.0 * jitter / if is_slower { ratio } else { 1.0 };
            let (metric, value) = match injection.counts_cpu_time() {
                true => (CPU_SHARE, 0.8 * share * rate / 1000.0),
                false => (MetricDef::headline("events_per_second", "1/s", Better::Higher), rate),
            };
            let samples = vec![Sample::of_workload(metric, value)];
            let failure = Failure { reason: "it broke".to_owned(), diagnostics: String::new() };
            let failure = (outcome != Outcome::Completed).then_some(failure);
            Trial { samples, failure, ..Trial::new(index, *slot, 0, outcome) }
        };
        // No block is disturbed, so no spare block runs.
        let run = plan.order.iter().filter(|slot| slot.block < plan.max_blocks);
        let trials: Vec<Trial> = (0..).zip(run).map(trial).collect();
        let session = Session {
            id: "s".to_owned(),
            started: String::new(),
            version: String::new(),
            argv: Vec::new(),
            host: HostFacts::default(),
            environments: BTreeMap::new(),
            workloads: BTreeMap::new(),
            plan: plan.clone(),
        };
        Recovery::of(&injection, &analyse(&session, &trials, Some(SessionEnd::Complete)), 1)
    }

    #[test]
    fn a_known_overhead_is_recovered_if_the_interval_contains_it() {
        for (text, ratio, recovered) in [
            ("busy-loop:percent=5", 1.05, true),
            ("busy-loop:percent=5", 1.10, false),
            ("cpu-quota:percent=40", 2.0, true),
        ] {
            let found = found(text, ratio, 1.0, Outcome::Completed).expect(text);
            assert_eq!((found.recovered, found.blocks), (recovered, 20), "{found:?}");
            assert!((found.ratio / ratio - 1.0).abs() < 0.01, "{found:?}");
        }
    }

    #[test]
    fn a_finding_without_evidence_has_a_reason() {
        let lost = found("cpu-quota:percent=40", 2.0, 0.9, Outcome::Completed).expect_err("it was disturbed");
        assert_eq!(lost.status, Status::Disturbed);
        assert!(
            lost.reason.contains("the baseline got only 90.5 % of its quota") && !lost.remedy.is_empty(),
            "{lost:?}"
        );
        found("busy-loop:percent=5", 1.05, 0.8, Outcome::Completed).expect("a busy loop knows no rest");
        let lost = found("busy-loop:percent=5", 1.05, 1.0, Outcome::Failed).expect_err("no trial completed");
        assert_eq!((lost.status, lost.reason.as_str()), (Status::Failed, "it broke"));
    }

    fn recovery(recovered: bool) -> Recovery {
        Recovery {
            kind: "busy-loop",
            injection: String::new(),
            baseline: String::new(),
            workload: String::new(),
            true_ratio: 1.01,
            ratio: 1.01,
            low: 1.0,
            high: 1.02,
            recovered,
            blocks: 12,
            repeat: 1,
            session: String::new(),
        }
    }

    #[test]
    fn a_few_misses_are_accepted_and_many_are_not() {
        let summary = |hits: usize, misses: usize| {
            let all: Vec<_> = std::iter::repeat_n(true, hits)
                .chain(std::iter::repeat_n(false, misses))
                .map(recovery)
                .collect();
            Summary::of(&all, 0.95)
        };
        for (hits, misses, passed) in
            [(9, 0, true), (7, 2, true), (6, 3, false), (90, 10, true), (88, 12, false)]
        {
            let found = summary(hits, misses);
            assert_eq!((found.recovered, found.passed), (hits, passed), "{found:?}");
        }
        assert!(summary(0, 0).passed, "nothing measured is no evidence; the exit code tells");
    }
}
