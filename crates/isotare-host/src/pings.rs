//! When the agent's clock is read while a job runs.

use isotare_core::Timestamp;
use isotare_protocol::ClockPair;
use std::time::Duration;

/// Time before the first question and between questions: a shorter job is not disturbed at all.
const EVERY: Duration = Duration::from_secs(1);
/// As many readings are enough for a job of any length.
const MOST: usize = 128;

/// Questions to one agent over one job, one at a time.
#[derive(Debug)]
pub(crate) struct Pings {
    every: Duration,
    next: Timestamp,
    asked: Option<Timestamp>,
    pairs: Vec<ClockPair>,
}

impl Pings {
    /// From the moment at which the job is sent.
    pub(crate) fn new(at: Timestamp) -> Self {
        Self { every: EVERY, next: at.plus(EVERY), asked: None, pairs: Vec::new() }
    }

    /// When to ask next; `None` while an answer is awaited.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.asked.is_none().then_some(self.next)
    }

    /// The question is about to be sent.
    pub(crate) fn ask(&mut self, at: Timestamp) {
        self.asked = Some(at);
        self.next = at.plus(self.every);
    }

    /// The answer has come; false if nobody asked.
    pub(crate) fn answered(&mut self, agent_ns: u64, at: Timestamp) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        self.pairs.push(ClockPair { asked_ns: asked.0, agent_ns, answered_ns: at.0 });
        if self.pairs.len() == MOST {
            self.pairs = self.pairs.iter().copied().skip(1).step_by(2).collect();
            self.every *= 2;
            self.next = asked.plus(self.every);
        }
        true
    }

    /// Whether an answer is awaited.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The readings, in order.
    pub(crate) fn into_pairs(self) -> Vec<ClockPair> {
        self.pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn there_is_one_question_at_a_time_and_at_most_one_per_second() {
        let mut pings = Pings::new(Timestamp(5));
        assert_eq!(pings.due(), Some(Timestamp(5 + SECOND)));
        pings.ask(Timestamp(2 * SECOND));
        assert!(pings.is_asked() && pings.due().is_none());
        assert!(pings.answered(7, Timestamp(2 * SECOND + 30)));
        assert!(!pings.answered(8, Timestamp(3 * SECOND)), "nobody asked");
        assert_eq!(pings.due(), Some(Timestamp(3 * SECOND)));
        let pair = ClockPair { asked_ns: 2 * SECOND, agent_ns: 7, answered_ns: 2 * SECOND + 30 };
        assert_eq!(pings.into_pairs(), [pair]);
    }

    #[test]
    fn questions_become_rarer_during_a_long_job() {
        let mut pings = Pings::new(Timestamp(0));
        let mut asked = 0;
        while let Some(at) = pings.due().filter(|at| at.0 < 10_000 * SECOND) {
            pings.ask(at);
            assert!(pings.answered(at.0, at));
            asked += 1;
        }
        let pairs = pings.into_pairs();
        assert!((MOST / 2..MOST).contains(&pairs.len()) && asked < 8 * MOST, "{} of {asked}", pairs.len());
        assert!(pairs.windows(2).all(|two| two[0].asked_ns < two[1].asked_ns));
        assert!(pairs.last().is_some_and(|last| last.asked_ns > 9_800 * SECOND), "the end is covered too");
    }
}
