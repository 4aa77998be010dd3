//! The agent's clock against the host's.

use isotare_protocol::ClockPair;
use serde::{Deserialize, Serialize};

/// Readings of both clocks around and in the measured window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockCheck {
    /// Closest reading before.
    pub before: ClockPair,
    /// Readings while the job ran, of jobs of more than a second.
    pub during: Vec<ClockPair>,
    /// Closest reading after.
    pub after: ClockPair,
}

impl ClockCheck {
    /// How fast the agent's clock ran, as agent seconds per host second, and the bound on its error: half of
    /// both round trips over the time between (Cristian 1989).
    pub fn rate(&self) -> Option<(f64, f64)> {
        let length = self.length();
        (length > 0.0).then(|| {
            let gained = offset(&self.after) - offset(&self.before);
            (1.0 + gained / length, (error(&self.before) + error(&self.after)) / length)
        })
    }

    /// The smallest difference between the two clocks that the readings prove, between any two readings, as a
    /// fraction of the host's time from the first reading to the last. It is above zero if the agent's clock
    /// ran faster, and zero if the round trips can explain all of the difference. It shows a wrong rate, and
    /// also a jump that a second jump cancels, which the rate does not show.
    pub fn strayed(&self) -> Option<f64> {
        let readings: Vec<&ClockPair> =
            [&self.before].into_iter().chain(&self.during).chain([&self.after]).collect();
        let mut worst = 0.0_f64;
        for (at, from) in readings.iter().enumerate() {
            for to in &readings[at + 1..] {
                let gained = offset(to) - offset(from);
                let certain = (gained.abs() - error(from) - error(to)).max(0.0);
                if certain > worst.abs() {
                    worst = certain.copysign(gained);
                }
            }
        }
        let length = self.length();
        (length > 0.0).then(|| worst / length)
    }

    /// Host time from the first reading to the last, ns.
    fn length(&self) -> f64 {
        middle(&self.after) - middle(&self.before)
    }
}

/// The host's time at which the agent most probably read its clock, ns.
fn middle(pair: &ClockPair) -> f64 {
    f64::midpoint(pair.asked_ns as f64, pair.answered_ns as f64)
}

/// The agent's clock less the host's, ns.
fn offset(pair: &ClockPair) -> f64 {
    pair.agent_ns as f64 - middle(pair)
}

/// Bound on the error of [`offset`], ns: half the round trip.
fn error(pair: &ClockPair) -> f64 {
    pair.answered_ns.saturating_sub(pair.asked_ns) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A reading at `host` ns with a round trip of 2 µs. The clock is `ahead` ns ahead of the host's.
    fn pair(host: u64, ahead: i64) -> ClockPair {
        let agent_ns = (host + 7 * SECOND).saturating_add_signed(ahead);
        ClockPair { asked_ns: host - 1_000, agent_ns, answered_ns: host + 1_000 }
    }

    fn check(ahead: &[i64]) -> ClockCheck {
        let at = |second: usize| (second as u64 + 1) * SECOND;
        let mut readings: Vec<ClockPair> =
            ahead.iter().enumerate().map(|(second, ahead)| pair(at(second), *ahead)).collect();
        let after = readings.pop().expect("a last one");
        let before = readings.remove(0);
        ClockCheck { before, during: readings, after }
    }

    fn is_near(found: Option<f64>, expected: f64) {
        let found = found.expect("known");
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn a_correct_clock_does_not_stray() {
        let kept = check(&[0, 500, -900, 1_000, 0]);
        is_near(kept.strayed(), 0.0);
        is_near(kept.rate().map(|(rate, _)| rate), 1.0);
        is_near(kept.rate().map(|(_, bound)| bound), 2_000.0 / 4e9);
    }

    #[test]
    fn the_error_of_a_wrong_rate_adds_up() {
        let fast = check(&[0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]);
        is_near(fast.strayed(), (4_000_000.0 - 2_000.0) / 4e9);
        is_near(fast.rate().map(|(rate, _)| rate), 1.001);
        let slow = check(&[0, -1_000_000]);
        is_near(slow.strayed(), -(1_000_000.0 - 2_000.0) / 1e9);
    }

    #[test]
    fn a_jump_that_is_reversed_is_seen_in_the_middle() {
        let jumped = check(&[0, 0, 40_000_000, 0, 0]);
        is_near(jumped.rate().map(|(rate, _)| rate), 1.0);
        is_near(jumped.strayed(), (40_000_000.0 - 2_000.0) / 4e9);
    }

    #[test]
    fn without_time_between_there_is_no_rate() {
        let pair = pair(SECOND, 0);
        let check = ClockCheck { before: pair, during: Vec::new(), after: pair };
        assert_eq!((check.rate(), check.strayed()), (None, None));
    }

    proptest::proptest! {
        /// A correct clock does not stray, however long the round trips are.
        #[test]
        fn no_round_trip_makes_a_correct_clock_stray(trips in proptest::collection::vec((0_u64..1 << 30, 0.0_f64..1.0), 2..12)) {
            let mut host = SECOND;
            let mut readings = Vec::new();
            for (trip, share) in trips {
                let asked_ns = host;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the trip")]
                let agent_ns = asked_ns + (trip as f64 * share) as u64;
                host += trip + 1_000;
                readings.push(ClockPair { asked_ns, agent_ns, answered_ns: asked_ns + trip });
            }
            let after = readings.pop().expect("two at least");
            let before = readings.remove(0);
            let strayed = ClockCheck { before, during: readings, after }.strayed();
            proptest::prop_assert!(strayed.is_none_or(|share| share.abs() < 1e-9), "{:?}", strayed);
        }
    }
}
