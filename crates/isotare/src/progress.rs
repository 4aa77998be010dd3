//! Keeps every trial as it ends and shows on stderr what is under way.

use crate::output::{percent, say};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isotare_core::{Condition, Outcome, Plan, Session, Trial, visible, visible_line};
use isotare_report::different_work;
use isotare_runner::{Event, Forecast, MOST_FORETOLD, Sink, SinkError};
use isotare_store::Store;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

/// The sink of a session.
pub struct Progress<'a> {
    store: &'a mut Store,
    session: &'a Session,
    trials: Vec<Trial>,
    bar: ProgressBar,
    is_terminal: bool,
    block_shown: Option<u32>,
    /// Blocks that were looked through for other work than the baseline's.
    looked_through: u32,
    /// Conditions for which a different output was already reported.
    told: BTreeSet<usize>,
}

impl<'a> Progress<'a> {
    /// Shows a bar where stderr is a terminal, else a line for each block.
    pub fn new(store: &'a mut Store, session: &'a Session) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let trials = session.plan.max_blocks as usize * session.plan.conditions.len();
        let bar = ProgressBar::new(trials as u64);
        bar.set_draw_target(if is_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {prefix} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            store,
            session,
            trials: Vec::new(),
            bar,
            is_terminal,
            block_shown: None,
            looked_through: 0,
            told: BTreeSet::new(),
        }
    }

    /// Removes the bar; the trials in their order.
    pub fn finish(self) -> Vec<Trial> {
        self.bar.finish_and_clear();
        self.trials
    }

    /// Says once of each condition that its trials will not count, as soon as that shows.
    fn tell_different_work(&mut self, blocks: u32) {
        if std::mem::replace(&mut self.looked_through, blocks) == blocks {
            return;
        }
        for (at, difference) in different_work(self.session, &self.trials) {
            let condition = self.trials[at].condition;
            if self.told.insert(condition) {
                let Condition { environment, workload } = &self.session.plan.conditions[condition];
                self.say(&format!(
                    "{workload} in {environment}: not the same work: {difference}; these trials will be invalid \
                     (--accept-different-output counts them)"
                ));
            }
        }
    }

    fn say(&self, line: &str) {
        if self.is_terminal { self.bar.println(visible(line)) } else { say(line) }
    }

    fn show(&self, what: &str) {
        self.bar.set_message(visible_line(what).into_owned());
    }
}

impl Sink for Progress<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), SinkError> {
        match event {
            Event::Preparing { environment } => self.show(&format!("preparing {environment}")),
            Event::NotPrepared { environment, reason } => self.say(&format!("{environment}: {reason}")),
            Event::Begins { done, expected, block, blocks, is_repeat, condition, left } => {
                self.tell_different_work(*block);
                self.bar.set_length(*expected as u64);
                self.bar.set_position(*done as u64);
                let left =
                    left.map(|seconds| format!(", {} left", duration_text(seconds))).unwrap_or_default();
                let again = if *is_repeat { ", repeating a disturbed one" } else { "" };
                let prefix = format!("block {}/{blocks}{again}{left}", block + 1);
                self.bar.set_prefix(prefix.clone());
                self.show(&format!("{} in {}", condition.workload, condition.environment));
                if !self.is_terminal && self.block_shown != Some(*block) {
                    self.block_shown = Some(*block);
                    self.say(&prefix);
                }
            }
            Event::Ended { trial, whole } => {
                let kept = self.store.record(&self.session.id, trial).and_then(|()| match whole {
                    Some(whole) => {
                        let files = [&whole.stdout, &whole.stderr];
                        self.store.keep_output(&self.session.id, trial.index, files)
                    }
                    None => Ok(()),
                });
                kept.map_err(|error| SinkError(error.to_string()))?;
                if trial.outcome != Outcome::Completed {
                    let condition = &self.session.plan.conditions[trial.condition];
                    let reason =
                        trial.failure.as_ref().map(|failure| failure.reason.as_str()).unwrap_or_default();
                    let (outcome, workload, environment) =
                        (trial.outcome, &condition.workload, &condition.environment);
                    self.say(&format!("{outcome}: {workload} in {environment}: {reason}"));
                }
                self.trials.push((*trial).clone());
            }
            Event::Foretold { pilot, blocks, forecasts } => {
                let lines = foretold(*pilot, *blocks, &self.session.plan, forecasts);
                lines.iter().for_each(|line| self.say(line));
            }
        }
        Ok(())
    }
}

/// What a session will be able to see, and what it would take to see the margin.
fn foretold(pilot: u32, blocks: u32, plan: &Plan, forecasts: &[Forecast<'_>]) -> Vec<String> {
    // Settings only where the name alone does not tell.
    let workload = |it: &Forecast<'_>| {
        let name = &it.condition.workload.name;
        match forecasts.iter().filter(|other| other.condition.workload.name == *name).count() {
            1 => name.clone(),
            _ => it.condition.workload.to_string(),
        }
    };
    let effects: Vec<String> = forecasts
        .iter()
        .map(|it| format!("{} {} ({})", workload(it), percent(it.effect), it.condition.environment))
        .collect();
    let mut lines = vec![format!(
        "by the first {pilot} blocks, {blocks} will find differences from about these on: {}{}",
        effects.join(", "),
        if plan.stopping.is_some() { "; it ends sooner if the precision is reached" } else { "" }
    )];
    let short: Vec<String> = forecasts
        .iter()
        .filter(|it| it.effect > plan.margin)
        .map(|it| match it.for_margin {
            Some(needed) => format!("{} about {needed}", workload(it)),
            None => format!("{} more than {MOST_FORETOLD}", workload(it)),
        })
        .collect();
    if !short.is_empty() {
        lines.push(format!(
            "to find the margin of {}, --blocks: {}; or state a wider --margin",
            percent(plan.margin),
            short.join(", ")
        ));
    }
    lines
}

fn duration_text(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
    }
}
