//! Makes a session from the runs of files. The labels decide the blocks and conditions.

use crate::paired::named;
use crate::table::{Cell, Clash, Table};
use crate::{FileRead, Labels, Reading, Status};
use isotare_core::{Condition, MetricDef, Session, Trial, WorkloadSpec};
use std::collections::BTreeMap;

/// The label that names the environment of a run.
pub const ENVIRONMENT: &str = "environment";
/// The label with the number of the repetition. It decides the block of a run.
pub const ITERATION: &str = "iteration";
/// Labels that are different in each repetition, so they do not distinguish conditions.
const PASSING: [&str; 2] = ["pid", "tid"];

/// A comparison of runs.
#[derive(Debug)]
pub struct Imported {
    /// The session, with its plan.
    pub session: Session,
    /// Its trials.
    pub trials: Vec<Trial>,
    /// Warnings about runs that were not used, and about assumptions.
    pub warnings: Vec<String>,
}

/// Why runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// No complete run has a label for its environment.
    #[error("no complete run has the label '{ENVIRONMENT}'")]
    NoEnvironment,
    /// All runs have the same environment.
    #[error("all runs have the same environment, '{only}'")]
    OneEnvironment {
        /// That environment.
        only: String,
    },
    /// No run has the environment of the baseline.
    #[error("no run has the environment '{name}'; the environments are {found}")]
    NoBaseline {
        /// The name that was asked for.
        name: String,
        /// The environments of the runs.
        found: String,
    },
}

/// Makes a session from the complete runs of files. The label `iteration` decides the block of a run. The
/// environment and all other labels decide its condition. Runs without an iteration are numbered in their
/// order.
pub fn imported(files: &[FileRead], reading: &Reading) -> Result<Imported, NotComparable> {
    let mut table = Table::default();
    let mut warnings = Vec::new();
    let mut turns: BTreeMap<Condition, u32> = BTreeMap::new();
    let (mut nowhere, mut by_order) = (0_usize, 0_usize);
    for file in files {
        for run in file.runs.iter().filter(|run| run.status == Status::Complete) {
            let Some(environment) = run.labels.get(ENVIRONMENT) else {
                nowhere += 1;
                continue;
            };
            let condition = Condition {
                environment: named(environment),
                workload: workload(file.tool.unwrap_or("measured"), &run.labels),
            };
            let turn = turns.entry(condition.clone()).or_default();
            *turn += 1;
            let block = run.labels.get(ITERATION).cloned().unwrap_or_else(|| {
                by_order += 1;
                turn.to_string()
            });
            for metric in &run.metrics {
                let def = MetricDef {
                    name: metric.name.clone(),
                    unit: metric.unit.clone(),
                    better: metric.better,
                    headline: true,
                };
                let cell = Cell { block: &block, condition: condition.clone(), metric: def };
                let Err(clash) = table.add(cell, metric.value, run.line as u64) else { continue };
                let why = match clash {
                    Clash::Twice { .. } => {
                        format!("another run has the same labels and the same iteration, {block}")
                    }
                    Clash::Units { before } => {
                        format!(
                            "the unit of {} is '{}' here, but '{before}' in an earlier run",
                            metric.name, metric.unit
                        )
                    }
                };
                warnings.push(format!("{} line {}: this run is not used: {why}", file.file, run.line));
                break;
            }
        }
    }
    if nowhere > 0 {
        warnings.push(format!("{nowhere} complete runs have no label '{ENVIRONMENT}' and are not compared"));
    }
    if by_order > 0 {
        warnings.push(format!(
            "{by_order} runs have no label '{ITERATION}'; the first runs of all environments are used as the \
             first block, the second runs as the second block, and so on"
        ));
    }
    let environments = table.environments();
    let native = environments.iter().find(|environment| environment.to_string() == "native");
    let baseline = reading.baseline.as_deref().map(named);
    let baseline =
        baseline.or(native.or(environments.first()).cloned()).ok_or(NotComparable::NoEnvironment)?;
    let found = || environments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !environments.is_empty() && !environments.contains(&baseline) {
        return Err(NotComparable::NoBaseline { name: baseline.to_string(), found: found() });
    }
    if environments.len() == 1 {
        return Err(NotComparable::OneEnvironment { only: found() });
    }
    let (session, trials) = table.session(baseline, reading).ok_or(NotComparable::NoEnvironment)?;
    Ok(Imported { session, trials, warnings })
}

fn workload(tool: &str, labels: &Labels) -> WorkloadSpec {
    let is_kept = |name: &str| name != ENVIRONMENT && name != ITERATION && !PASSING.contains(&name);
    let given = labels.iter().filter(|(name, _)| is_kept(name));
    WorkloadSpec {
        name: tool.to_owned(),
        given: given.map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, Run};

    fn file(environment: &str, iteration: Option<&str>, values: &[f64]) -> FileRead {
        let run = |(index, value): (usize, &f64)| {
            let run = Run::complete(index + 1, vec![Metric::lower("total_time", "s", *value)])
                .with("test", "cpu")
                .with("pid", value.to_string())
                .with(ENVIRONMENT, environment);
            match iteration {
                Some(iteration) => run.with(ITERATION, iteration),
                None => run,
            }
        };
        let runs: Vec<Run> = values.iter().enumerate().map(run).collect();
        FileRead { file: environment.to_owned(), tool: Some("sysbench"), runs, ..FileRead::default() }
    }

    #[test]
    fn runs_pair_by_iteration_or_by_their_order() {
        let files = [file("docker", None, &[2.0, 2.5]), file("native", None, &[1.0, 1.2])];
        let found = imported(&files, &Reading::default()).expect("comparable");
        assert_eq!(found.session.plan.baseline.to_string(), "native");
        assert_eq!(found.session.plan.conditions[0].workload.to_string(), "sysbench:test=cpu");
        assert_eq!((found.trials.len(), found.session.plan.max_blocks), (4, 2));
        assert!(found.warnings[0].contains("4 runs have no label 'iteration'"), "{:?}", found.warnings);
        let files =
            [file("a", Some("x"), &[2.0]), file("b", Some("x"), &[2.5]), file("b", Some("y"), &[2.5])];
        let found = imported(&files, &Reading::default()).expect("comparable");
        assert_eq!((found.trials.len(), found.warnings.len()), (3, 0));
    }

    #[test]
    fn a_second_run_with_the_same_labels_is_left_out_with_a_warning() {
        let files = [file("a", Some("1"), &[2.0, 3.0]), file("b", Some("1"), &[2.5])];
        let found = imported(&files, &Reading::default()).expect("comparable");
        assert_eq!(found.trials.len(), 2);
        assert!(found.warnings[0].contains("a line 2: this run is not used"), "{:?}", found.warnings);
        let trial = found
            .trials
            .iter()
            .find(|trial| found.session.plan.conditions[trial.condition].environment.driver == "a");
        assert_eq!(trial.expect("a's").samples[0].value, 2.0);
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let reading = Reading { baseline: Some("kvm".to_owned()), ..Reading::default() };
        assert_eq!(imported(&[], &Reading::default()).map(drop), Err(NotComparable::NoEnvironment));
        let one = [file("a", None, &[2.0])];
        assert_eq!(
            imported(&one, &Reading::default()).map(drop),
            Err(NotComparable::OneEnvironment { only: "a".to_owned() })
        );
        let two = [file("a", None, &[2.0]), file("b", None, &[2.0])];
        let said = imported(&two, &reading).expect_err("no kvm").to_string();
        assert_eq!(said, "no run has the environment 'kvm'; the environments are a, b");
    }
}
