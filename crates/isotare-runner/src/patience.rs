//! Gives up a condition that keeps failing.

use isotare_core::{Outcome, Trial};

/// Number of trials of one condition that may fail in a row.
const MOST: u32 = 3;

/// The outcomes of the conditions of a session so far.
pub(crate) struct Patience(Vec<Fared>);

#[derive(Clone, Default)]
struct Fared {
    failures_in_a_row: u32,
    last_reason: String,
    has_completed: bool,
}

impl Patience {
    pub(crate) fn new(conditions: usize) -> Self {
        Self(vec![Fared::default(); conditions])
    }

    /// Whether a trial of this condition has completed.
    pub(crate) fn has_completed(&self, condition: usize) -> bool {
        self.0[condition].has_completed
    }

    /// Why a condition is not tried any more; `None` if it is.
    pub(crate) fn given_up(&self, condition: usize) -> Option<String> {
        let Fared { failures_in_a_row, last_reason, .. } = &self.0[condition];
        (*failures_in_a_row >= MOST)
            .then(|| format!("given up after {MOST} failures in a row; the last one: {last_reason}"))
    }

    /// The conditions that are given up, by index.
    pub(crate) fn all_given_up(&self) -> Vec<bool> {
        (0..self.0.len()).map(|condition| self.given_up(condition).is_some()).collect()
    }

    /// A trial has ended. Records of a condition that has been given up change nothing.
    pub(crate) fn ended(&mut self, trial: &Trial) {
        let is_given_up = self.given_up(trial.condition).is_some();
        let fared = &mut self.0[trial.condition];
        match trial.outcome {
            Outcome::Completed => {
                fared.failures_in_a_row = 0;
                fared.has_completed = true;
            }
            _ if is_given_up => {}
            _ => {
                fared.failures_in_a_row += 1;
                fared.last_reason = trial.failure.as_ref().map(|f| f.reason.clone()).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{Failure, Slot};

    #[test]
    fn an_environment_is_given_up_after_three_failures_in_a_row() {
        let mut patience = Patience::new(2);
        let mut end = |outcome, reason: &str| {
            let failure = Some(Failure { reason: reason.to_owned(), diagnostics: String::new() });
            patience.ended(&Trial { failure, ..Trial::new(0, Slot { block: 0, condition: 1 }, 0, outcome) });
            patience.all_given_up()
        };
        for outcome in
            [Outcome::Failed, Outcome::TimedOut, Outcome::Completed, Outcome::Failed, Outcome::Invalid]
        {
            assert_eq!(end(outcome, "first"), [false, false]);
        }
        assert_eq!(end(Outcome::Failed, "third"), [false, true]);
        assert_eq!(end(Outcome::Failed, "given up"), [false, true]);
        assert!(patience.given_up(1).is_some_and(|reason| reason.ends_with("the last one: third")));
        assert!(patience.has_completed(1) && !patience.has_completed(0));
    }
}
