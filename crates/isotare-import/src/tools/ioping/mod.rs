//! `ioping`.
//!
//! There are three forms:
//! - `text`: a line for each request (not with `-q`), and at the end `--- TARGET ioping statistics ---` with
//!   two or three lines.
//! - `raw`: one line of numbers at the end with `-B`, and after every few requests with `-p` and `-P`.
//! - `json`: from 1.2 on, with `-J`.
//!
//! The statistics changed from 0.6 to 1.3: in early versions the four times share one unit, in later ones
//! each has its own. From 1.0 on the first request is a warm-up and is not counted (`ioping.c`, `ioping.1`).
//! The metric `iops` covers only the requests, without the pauses between them; `load_iops` includes the
//! pauses.

mod json;
mod raw;
mod text;

use crate::Decoded;
use crate::Metric;
use crate::tools::Tool;

/// ioping.
pub static IOPING: Tool = Tool {
    name: "ioping",
    summary: "its statistics as text, as raw numbers (-B, -p) and as JSON (-J)",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    text::recognises(head) || json::recognises(head) || raw::recognises(head)
}

fn decode(text: &str) -> Decoded {
    let runs = if text::recognises(text) {
        text::runs(text)
    } else if json::recognises(text) {
        json::runs(text)
    } else {
        raw::runs(text)
    };
    Decoded { runs, ..Decoded::default() }
}

/// The numbers that every form has; times in s, speed in B/s. `None`: not printed.
#[derive(Default)]
struct Figures {
    iops: Option<f64>,
    speed: Option<f64>,
    min: Option<f64>,
    mean: Option<f64>,
    max: Option<f64>,
    deviation: Option<f64>,
    load_iops: Option<f64>,
    load_speed: Option<f64>,
}

impl Figures {
    /// Whether the times are in order. NaN is never in order.
    fn is_possible(&self) -> bool {
        let (min, mean, max) = (self.min.unwrap_or(0.0), self.mean.unwrap_or(0.0), self.max.unwrap_or(0.0));
        min <= mean && mean <= max && max > 0.0
    }

    fn metrics(&self) -> Vec<Metric> {
        let rates = [
            ("iops", "1/s", self.iops),
            ("throughput", "B/s", self.speed),
            ("load_iops", "1/s", self.load_iops),
            ("load_throughput", "B/s", self.load_speed),
        ];
        let times = [
            ("latency_min", self.min),
            ("latency_mean", self.mean),
            ("latency_max", self.max),
            ("latency_stddev", self.deviation),
        ];
        let positive = |value: Option<f64>| value.filter(|value| *value != 0.0);
        let rates = rates
            .into_iter()
            .filter_map(|(name, unit, value)| Some(Metric::higher(name, unit, positive(value)?)));
        let times =
            times.into_iter().filter_map(|(name, value)| Some(Metric::lower(name, "s", positive(value)?)));
        rates.chain(times).collect()
    }
}

const NOTHING: &str = "no request was completed";
const IMPOSSIBLE: &str = "its figures contradict each other";
const MIXED: &str = "its lines are mixed with those of another run";
