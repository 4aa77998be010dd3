//! Disturbances of the session, and which blocks were repeated because of them.

use super::blocks::Blocks;
use super::design::{Design, Place};
use crate::disturbance::{Disturbance, DisturbanceRow};
use crate::quantity::quantity;
use crate::report::{Warning, WarningKind};
use crate::words;
use isotare_core::{Canary, Gate, Noise, Plan};
use isotare_stats::median;

/// At most this many block numbers are listed in a sentence.
const LISTED: usize = 12;

/// Everything about disturbances; `None` if they were not checked.
pub(super) fn disturbance(design: &Design<'_>, plan: &Plan) -> Option<Disturbance> {
    let gate = plan.gate?;
    design.trials.iter().find_map(|(_, trial)| trial.noise)?;
    let blocks = &design.blocks;
    let count = |blocks: usize| u32::try_from(blocks).unwrap_or(u32::MAX);
    Some(Disturbance {
        gate,
        blocks: count(blocks.ran.len()),
        counted: count(blocks.ran.len() - blocks.replaced.len()),
        disturbed: blocks.disturbed.clone(),
        repeats: blocks.repeats.clone(),
        replaced: blocks.replaced.iter().copied().collect(),
        remaining: blocks.remaining.clone(),
        sentence: sentence(blocks, &gate),
        by_environment: rows(design),
    })
}

fn sentence(blocks: &Blocks, gate: &Gate) -> String {
    let thresholds = format!(
        "a block counts as disturbed if the canary, native work before and after each trial, was slower than \
         ×{} (arithmetic) or ×{} (reads) of its time at the session's start, or had no CPU for more than {} \
         of its time",
        gate.integer,
        gate.memory,
        words::percent(gate.waited)
    );
    let all = blocks.ran.len();
    let found = match (blocks.disturbed.as_slice(), blocks.replaced.len()) {
        ([], _) => format!("none of {all} blocks was disturbed"),
        (disturbed, 0) => format!("{} of {all} blocks were disturbed: {}", disturbed.len(), list(disturbed)),
        (disturbed, _) => {
            let replaced: Vec<u32> = blocks.replaced.iter().copied().collect();
            let (disturbed, count) = (list(disturbed), disturbed.len());
            format!("{count} of {all} blocks were disturbed: {disturbed}; repeated: {}", list(&replaced))
        }
    };
    format!("{found} ({thresholds})")
}

/// Disturbed blocks that are in the estimates.
pub(super) fn warning(found: &Disturbance, plan: &Plan) -> Option<Warning> {
    if found.remaining.is_empty() {
        return None;
    }
    let (left, counted) = (found.remaining.len(), found.counted);
    let regular = u64::from(found.blocks).saturating_sub(found.repeats.len() as u64);
    let allowed = u64::from(plan.spare) * regular / u64::from(plan.max_blocks.max(1));
    let is_spent = plan.spare > 0 && found.repeats.len() as u64 >= allowed;
    let message = match is_spent {
        true => format!(
            "host too noisy: {left} of the {counted} blocks in the estimates were disturbed, more than may \
             be repeated; stop other programs, or measure at another time"
        ),
        false => format!("{left} of the {counted} blocks in the estimates were disturbed and not repeated"),
    };
    Some(Warning { kind: WarningKind::Disturbed, message })
}

fn list(blocks: &[u32]) -> String {
    let shown: Vec<String> = blocks.iter().take(LISTED).map(ToString::to_string).collect();
    let more = if blocks.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn rows(design: &Design<'_>) -> Vec<DisturbanceRow> {
    let mut rows = Vec::new();
    for (at, arm) in design.environments.iter().enumerate() {
        let own = design.trials.iter().filter(|(place, _)| place.environment == at);
        let seen: Vec<Noise> = own.filter_map(|(_, trial)| trial.noise).collect();
        if seen.is_empty() {
            continue;
        }
        let middle =
            |of: &dyn Fn(&Noise) -> Option<f64>| median(&seen.iter().filter_map(of).collect::<Vec<_>>());
        let canaries = |of: &dyn Fn(&Noise, &Canary) -> f64| {
            let both = |noise: &Noise| [of(noise, &noise.before), of(noise, &noise.after)];
            median(&seen.iter().flat_map(both).collect::<Vec<_>>())
        };
        rows.push(DisturbanceRow {
            environment: arm.name.clone(),
            trials: seen.len(),
            canary_integer: canaries(&|noise, canary| canary.relative_to(&noise.reference)[0]),
            canary_memory: canaries(&|noise, canary| canary.relative_to(&noise.reference)[1]),
            canary_waited: canaries(&|_, canary| canary.waited),
            pressure_cpu: middle(&|noise| noise.host.pressure_cpu),
            pressure_memory: middle(&|noise| noise.host.pressure_memory),
            pressure_io: middle(&|noise| noise.host.pressure_io),
            steal: middle(&|noise| noise.host.steal),
            run_delay: middle(&|noise| noise.host.run_delay),
            throttled: middle(&|noise| Some(noise.throttled?.time)),
            major_faults: middle(&|noise| noise.host.major_faults),
        });
    }
    rows
}

/// A warning if a CPU quota throttled one environment under one workload.
pub(super) fn throttling(design: &Design<'_>, here: Place) -> Option<String> {
    let own = design.counted().filter(|(place, _)| *place == here);
    let told: Vec<f64> = own.filter_map(|(_, trial)| Some(trial.noise?.throttled?.time)).collect();
    let held = told.iter().filter(|time| **time > 0.0).count();
    (held > 0).then(|| {
        format!(
            "a CPU quota throttled it in {held} of {} trials, for {} in the median, so it could not use its \
             CPUs all the time; remove the quota",
            told.len(),
            quantity(median(&told).unwrap_or(0.0), "s", None)
        )
    })
}
