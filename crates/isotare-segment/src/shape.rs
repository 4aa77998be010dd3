//! Rate, delay and loss of a segment.

use std::time::Duration;

/// How slow a segment is made; the default changes nothing. Each applies to every direction of every end, so
/// a round trip between two instances has the delay twice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// Delay of every packet.
    pub delay: Option<Duration>,
    /// Rate, bits per second.
    pub rate: Option<f64>,
    /// Fraction of packets that are lost.
    pub loss: Option<f64>,
}

impl Shape {
    /// The queueing discipline with its parameters, as tc(8) takes them (tc-netem(8)). The limit is the queue in packets.
    pub(crate) fn words(self) -> Option<String> {
        let parts = [
            self.delay.map(|delay| format!(" delay {}us", delay.as_micros())),
            self.rate.map(|bits| format!(" rate {bits:.0}bit")),
            self.loss.map(|share| format!(" loss {:.4}%", 100.0 * share)),
        ];
        let given: String = parts.into_iter().flatten().collect();
        (!given.is_empty()).then(|| format!("netem limit 100000{given}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_not_shaped() {
        assert_eq!(Shape::default().words(), None);
        let shape = Shape { delay: Some(Duration::from_micros(1500)), loss: Some(0.01), rate: None };
        assert_eq!(shape.words().as_deref(), Some("netem limit 100000 delay 1500us loss 1.0000%"));
        let shape = Shape { rate: Some(1e8), ..Shape::default() };
        assert_eq!(shape.words().as_deref(), Some("netem limit 100000 rate 100000000bit"));
    }
}
