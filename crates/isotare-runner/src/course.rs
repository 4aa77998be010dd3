//! The progress of one session: which trials have run, which comes next, and which events are sent about it.

use crate::event::Event;
use crate::figures::Figures;
use crate::patience::Patience;
use crate::queue::{Queue, Turn};
use crate::watch::Watch;
use isotare_core::{Failure, Interrupt, Outcome, Plan, SessionEnd, Slot, Timestamp, Trial};
use isotare_host::now;
use std::time::Duration;

/// Number of blocks after which the session predicts which differences it will be able to find. It is the
/// smallest number that gives an interval.
const PILOT: u32 = 6;

/// Turns readings of the host's clock into times since a session began. The time between its interruption
/// and its continuation does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionClock {
    start: Timestamp,
    before: Duration,
}

impl SessionClock {
    /// The time since the session began.
    pub(crate) fn at(self, moment: Timestamp) -> Timestamp {
        Timestamp(0).plus(self.before + moment.since(self.start))
    }
}

/// A running session.
pub(crate) struct Course<'p> {
    plan: &'p Plan,
    start: Timestamp,
    watch: Watch,
    queue: Queue<'p>,
    figures: Figures<'p>,
    patience: Patience,
    /// How long the session ran before it was interrupted.
    before: Duration,
    /// Trials that have been handled.
    position: usize,
    is_block_disturbed: bool,
}

impl<'p> Course<'p> {
    /// Starts a session, or continues one that has run for `before`: measures the canary's reference and
    /// starts the clock.
    pub(crate) fn begin(plan: &'p Plan, before: Duration, interrupt: &Interrupt) -> Self {
        let watch = Watch::new(&plan.budget.cpus, interrupt);
        Self {
            plan,
            start: now(),
            before,
            watch,
            queue: Queue::new(plan),
            figures: Figures::new(plan),
            patience: Patience::new(plan.conditions.len()),
            position: 0,
            is_block_disturbed: false,
        }
    }

    /// Times since it began.
    pub(crate) fn clock(&self) -> SessionClock {
        SessionClock { start: self.start, before: self.before }
    }

    /// The watch for disturbances.
    pub(crate) fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }

    /// Number of the next trial.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The block to run now, or how the session ends.
    pub(crate) fn next(&self) -> Result<Turn, SessionEnd> {
        let given_up = self.patience.all_given_up();
        self.queue.next(self.elapsed(), &|rule, blocks, replaced| {
            self.figures.are_precise(rule, blocks, replaced, &given_up)
        })
    }

    /// Whether no trial of this condition has completed yet.
    pub(crate) fn is_first(&self, slot: Slot) -> bool {
        !self.patience.has_completed(slot.condition)
    }

    /// Why this condition is not tried any more; `None` if it is.
    pub(crate) fn given_up(&self, slot: Slot) -> Option<String> {
        self.patience.given_up(slot.condition)
    }

    /// The event for the start of a trial.
    pub(crate) fn begins(&self, turn: Turn, slot: Slot) -> Event<'p> {
        let elapsed = self.elapsed();
        let blocks = self.queue.expected(elapsed);
        let (done, expected) = (self.position, self.plan.conditions.len() * blocks as usize);
        let left = (done > 0).then(|| elapsed / done as f64 * expected.saturating_sub(done) as f64);
        Event::Begins {
            done,
            expected,
            block: self.queue.done(),
            blocks,
            is_repeat: turn.is_repeat,
            condition: &self.plan.conditions[slot.condition],
            left,
        }
    }

    /// The differences that this session will be able to find. It is sent once, when the pilot blocks have
    /// run and more blocks follow.
    pub(crate) fn foretells(&self) -> Option<Event<'p>> {
        // A repeat replaces another block, so it does not change which differences can be found.
        let blocks = self.queue.expected(self.elapsed()).min(self.plan.max_blocks);
        let is_time = self.queue.done() == PILOT && blocks > PILOT;
        let forecasts = || self.figures.forecasts(PILOT, blocks, &self.patience.all_given_up());
        let forecasts = if is_time { forecasts() } else { Vec::new() };
        (!forecasts.is_empty()).then_some(Event::Foretold { pilot: PILOT, blocks, forecasts })
    }

    /// What the blocks so far show, if they show anything.
    pub(crate) fn interim(&self) -> Option<Event<'p>> {
        let estimates = self.figures.interim(self.queue.replaced());
        (!estimates.is_empty()).then_some(Event::Interim { estimates })
    }

    /// A trial has been handled; `None` if there is nothing to record.
    pub(crate) fn ended(&mut self, trial: Option<&Trial>) {
        self.position += 1;
        let Some(trial) = trial else { return };
        self.patience.ended(trial);
        self.figures.add(trial);
        let disturbed =
            self.plan.gate.zip(trial.noise).is_some_and(|(gate, noise)| gate.is_disturbed(&noise));
        self.is_block_disturbed |= disturbed;
    }

    /// All trials of a block have been handled.
    pub(crate) fn block_ended(&mut self, turn: Turn) {
        self.queue.ended(turn, std::mem::take(&mut self.is_block_disturbed));
    }

    /// A trial that begins now, with nothing else known yet.
    pub(crate) fn empty_trial(&self, slot: Slot) -> Trial {
        let index = u32::try_from(self.position).unwrap_or(u32::MAX);
        Trial::new(index, slot, self.clock().at(now()).0, Outcome::Completed)
    }

    /// The record of a trial that did not run.
    pub(crate) fn not_run(&self, slot: Slot, outcome: Outcome, reason: String) -> Trial {
        let failure = Failure { reason, diagnostics: String::new() };
        Trial { outcome, failure: Some(failure), ..self.empty_trial(slot) }
    }

    fn elapsed(&self) -> f64 {
        (self.before + now().since(self.start)).as_secs_f64()
    }
}
