//! Every requested environment, with the reason if it was not measured.

use super::design::Design;
use crate::report::{EnvironmentStatus, OutcomeCounts, Status};
use isotare_core::{Outcome, Session, Trial};
use std::collections::BTreeMap;

/// The environments of the plan, and then those that were left out of the plan.
pub(super) fn statuses(design: &Design<'_>, session: &Session) -> Vec<EnvironmentStatus> {
    let planned = design.environments.iter().enumerate().map(|(at, arm)| {
        let trials = trials_of(design, at);
        let known = session.environments.get(&arm.name).or_else(|| session.environments.get(&arm.original));
        status(&arm.name, &trials, known)
    });
    let is_planned = |name: &String| design.environments.iter().any(|arm| arm.name == *name);
    let left_out = session
        .environments
        .iter()
        .filter(|(name, _)| !is_planned(name))
        .map(|(name, known)| status(name, &[], Some(known)));
    planned.chain(left_out).collect()
}

fn trials_of<'a>(design: &Design<'a>, environment: usize) -> Vec<&'a Trial> {
    design.trials.iter().filter(|(place, _)| place.environment == environment).map(|(_, t)| *t).collect()
}

fn status(
    name: &str,
    trials: &[&Trial],
    known: Option<&Result<isotare_core::RuntimeInfo, isotare_core::Unavailable>>,
) -> EnvironmentStatus {
    let count = |trials: usize| u32::try_from(trials).unwrap_or(u32::MAX);
    let completed = trials.iter().filter(|trial| trial.outcome == Outcome::Completed).count();
    let info = known.and_then(|known| known.as_ref().ok());
    let missing = known.and_then(|known| known.as_ref().err());
    let (status, reason, remedy) = match (completed, missing, trials.first()) {
        (1.., _, _) => (Status::Measured, None, None),
        (0, Some(missing), _) => {
            (Status::Unavailable, Some(missing.reason.clone()), Some(missing.remedy.clone()))
        }
        (0, None, Some(first)) => {
            let reason = first.failure.as_ref().map(|failure| failure.reason.clone());
            let status = match trials.iter().all(|trial| trial.outcome == Outcome::Unavailable) {
                true => Status::Unavailable,
                false => Status::NothingCompleted,
            };
            (status, Some(reason.unwrap_or_else(|| first.outcome.word().to_owned())), None)
        }
        (0, None, None) => (Status::NotReached, None, None),
    };
    EnvironmentStatus {
        environment: name.to_owned(),
        status,
        version: info.map(|info| info.version.clone()),
        details: info.map(|info| info.details.clone()).unwrap_or_default(),
        reason,
        remedy,
        completed: count(completed),
        trials: count(trials.len()),
    }
}

/// How the trials of each environment ended.
pub(super) fn outcomes(design: &Design<'_>) -> Vec<OutcomeCounts> {
    let of = |at: usize| {
        let mut counts = BTreeMap::new();
        for trial in trials_of(design, at) {
            *counts.entry(trial.outcome.word()).or_insert(0_u32) += 1;
        }
        counts
    };
    let all = design.environments.iter().enumerate();
    all.map(|(at, arm)| OutcomeCounts { environment: arm.name.clone(), counts: of(at) }).collect()
}
