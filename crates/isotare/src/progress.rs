//! Keeps every trial as it ends and shows on stderr what is under way.

use crate::output::{percent, remember, said, say};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use isotare_core::{Condition, Outcome, Plan, Session, Trial, WorkloadSpec, visible, visible_line};
use isotare_report::different_work;
use isotare_runner::{Event, Forecast, Interim, MOST_FORETOLD, Sink, SinkError};
use isotare_store::{LOG_LIMIT, Store, StoreError};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

/// The sink of a session.
pub struct Progress<'a> {
    store: &'a mut Store,
    session: &'a Session,
    trials: Vec<Trial>,
    bars: MultiProgress,
    bar: ProgressBar,
    /// What the blocks so far show, below the bar.
    figures: ProgressBar,
    is_terminal: bool,
    block_shown: Option<u32>,
    /// Blocks that were looked through for other work than the baseline's.
    looked_through: u32,
    /// Conditions for which a different output was already reported.
    told: BTreeSet<usize>,
    /// Bytes that may still be added to the session's log.
    log_left: usize,
}

impl<'a> Progress<'a> {
    /// Shows a bar where stderr is a terminal, else a line for each block.
    /// `earlier` are the trials that are in the store already.
    pub fn new(store: &'a mut Store, session: &'a Session, earlier: Vec<Trial>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let trials = session.plan.max_blocks as usize * session.plan.conditions.len();
        let bars = MultiProgress::with_draw_target(if is_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let styled = |bar: ProgressBar, template| {
            let style = ProgressStyle::with_template(template);
            bars.add(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
        };
        let bar = styled(ProgressBar::new(trials as u64), "{bar:24} {pos}/{len} {prefix} {wide_msg}");
        let figures = styled(ProgressBar::new(0), "so far: {wide_msg}");
        Self {
            store,
            session,
            trials: earlier,
            bars,
            bar,
            figures,
            is_terminal,
            block_shown: None,
            looked_through: 0,
            told: BTreeSet::new(),
            log_left: LOG_LIMIT,
        }
    }

    /// Removes the bar; the trials in their order.
    pub fn finish(self) -> Vec<Trial> {
        self.figures.finish_and_clear();
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
                    "{} in {environment}: not the same work: {difference}; these trials will be invalid \
                     (--accept-different-output counts them)",
                    workload.label()
                ));
            }
        }
    }

    fn say(&self, line: &str) {
        if self.is_terminal {
            remember(line);
            // That nobody reads it is no error.
            let _unread = self.bars.println(visible(line));
        } else {
            say(line);
        }
    }

    /// Keeps with the session what was said since the last time, up to a bound.
    pub fn keep_log(&mut self) -> Result<(), StoreError> {
        let mut lines = said();
        let fits = lines.iter().scan(0, |sum, (_, line)| {
            *sum += line.len();
            Some(*sum <= self.log_left)
        });
        let fitting = fits.take_while(|fits| *fits).count();
        if fitting < lines.len() && self.log_left > 0 {
            lines[fitting].1 = format!("more than {LOG_LIMIT} bytes were said; the rest is not kept");
            lines.truncate(fitting + 1);
            self.log_left = 0;
        } else {
            lines.truncate(fitting);
            self.log_left -= lines.iter().map(|(_, line)| line.len()).sum::<usize>();
        }
        self.store.log(&self.session.id, &lines)
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
                self.show(&format!("{} in {}", condition.workload.label(), condition.environment));
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
                kept.and_then(|()| self.keep_log()).map_err(|error| SinkError(error.into()))?;
                if trial.outcome != Outcome::Completed {
                    let condition = &self.session.plan.conditions[trial.condition];
                    let reason =
                        trial.failure.as_ref().map(|failure| failure.reason.as_str()).unwrap_or_default();
                    let (outcome, workload, environment) =
                        (trial.outcome, condition.workload.label(), &condition.environment);
                    self.say(&format!("{outcome}: {workload} in {environment}: {reason}"));
                }
                self.trials.push((*trial).clone());
            }
            Event::Interim { estimates } => {
                let blocks = self.trials.len() / self.session.plan.conditions.len().max(1);
                let width = stderr_width().saturating_sub("so far: ".len());
                self.figures.set_message(visible_line(&so_far(estimates, blocks, width)).into_owned());
            }
            Event::Foretold { pilot, blocks, forecasts } => {
                let lines = foretold(*pilot, *blocks, &self.session.plan, forecasts);
                lines.iter().for_each(|line| self.say(line));
            }
        }
        Ok(())
    }

    fn is_watched(&self) -> bool {
        self.is_terminal
    }
}

/// What the blocks so far show, as `cpu: container ×1.01 ±0.02`. Where that is more than fits, each of its workloads comes first in
/// its turn.
fn so_far(estimates: &[Interim<'_>], turn: usize, width: usize) -> String {
    let mut parts: Vec<(&WorkloadSpec, String)> = Vec::new();
    for it in estimates {
        let (workload, environment) = (&it.condition.workload, &it.condition.environment);
        let found = format!("{environment} {}", with_error(it));
        match parts.iter_mut().find(|(other, _)| *other == workload) {
            Some((_, part)) => part.push_str(&format!(", {found}")),
            None => parts.push((workload, format!("{}: {found}", workload.label()))),
        }
    }
    let mut parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
    let line = parts.join("; ");
    if line.chars().count() <= width || parts.is_empty() {
        return line;
    }
    let first = turn % parts.len();
    parts.rotate_left(first);
    parts.join("; ")
}

/// A cost and half the width of its interval, with as many decimals as that is sure.
fn with_error(it: &Interim<'_>) -> String {
    let half = (it.high - it.low) / 2.0;
    let digits = match half {
        half if half >= 10.0 => 0,
        half if half >= 1.0 => 1,
        half if half >= 0.01 => 2,
        _ => 3,
    };
    match half.is_finite() && half < 100.0 * it.cost {
        true => format!("×{:.digits$} ±{half:.digits$}", it.cost),
        false => format!("×{:.2}, not sure yet", it.cost),
    }
}

/// Columns of the terminal that shows the bar.
fn stderr_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    size.map_or(80, |size| size.ws_col.into())
}

/// What a session will be able to see, and what it would take to see the margin.
fn foretold(pilot: u32, blocks: u32, plan: &Plan, forecasts: &[Forecast<'_>]) -> Vec<String> {
    // Settings only where the name alone does not tell.
    let workload = |it: &Forecast<'_>| {
        let name = &it.condition.workload.name;
        match forecasts.iter().filter(|other| other.condition.workload.name == *name).count() {
            1 => name.clone(),
            _ => it.condition.workload.label(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Condition;

    #[test]
    fn interim_results_fit_on_a_line() {
        let condition = |environment: &str, workload: &str| Condition {
            environment: environment.parse().expect("valid"),
            workload: workload.parse().expect("valid"),
        };
        let conditions = [
            condition("container", "cpu"),
            condition("qemu:accel=tcg", "cpu"),
            condition("container", r#"command:argv=["head"\,"-c"\,"1M"]"#),
        ];
        let found = [(1.012, 0.99, 1.03), (4.18, 2.51, 5.35), (1.5, 0.0, f64::INFINITY)];
        let estimates: Vec<Interim<'_>> = conditions
            .iter()
            .zip(found)
            .map(|(condition, (cost, low, high))| Interim { condition, cost, low, high })
            .collect();
        let cpu = "cpu: container ×1.01 ±0.02, qemu:accel=tcg ×4.2 ±1.4";
        let command = "command -- head -c 1M: container ×1.50, not sure yet";
        assert_eq!(so_far(&estimates, 7, 200), format!("{cpu}; {command}"));
        assert_eq!(so_far(&estimates, 7, 60), format!("{command}; {cpu}"), "each in its turn");
        assert_eq!(so_far(&estimates, 8, 60), format!("{cpu}; {command}"));
        assert_eq!(so_far(&[], 0, 60), "");
    }
}
