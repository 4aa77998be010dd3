//! The numbers of one report: checks whether they agree with each other, and makes metrics from them.

use crate::Metric;
use std::borrow::Cow;

const MIB: f64 = 1_048_576.0;

/// The numbers of one report. `None`: the test does not print this number.
#[derive(Default)]
pub struct Figures {
    pub threads: Option<f64>,
    /// Whether there is a target rate. Then latencies include the time in the queue.
    pub has_queue: bool,
    /// Whether it is the report of fileio in 1.1, which ends with the latencies.
    pub is_short: bool,
    pub total_time: Option<f64>,
    pub events: Option<f64>,
    /// Events per second, if they are printed.
    pub rate: Option<f64>,
    pub latency: Latency,
    /// Rank of the percentile.
    pub rank: u32,
    /// Time of all events together, in s.
    pub sum: Option<f64>,
    pub events_per_thread: Option<f64>,
    pub time_per_thread: Option<f64>,
    pub operations: Option<f64>,
    pub memory_mib: Option<f64>,
    pub reads: Option<f64>,
    pub writes: Option<f64>,
    pub fsyncs: Option<f64>,
    pub read_mib: Option<f64>,
    pub written_mib: Option<f64>,
    pub read_count: Option<f64>,
    pub write_count: Option<f64>,
    pub file_bytes: Option<f64>,
    pub transactions: Option<f64>,
    pub queries: Option<f64>,
    pub errors: Option<f64>,
    pub deadlocks: Option<f64>,
    pub reconnects: Option<f64>,
}

#[derive(Default)]
pub struct Latency {
    pub min: Option<Time>,
    pub mean: Option<Time>,
    pub max: Option<Time>,
    pub percentile: Option<Time>,
}

/// A printed time and its resolution, in s.
#[derive(Clone, Copy)]
pub struct Time {
    pub seconds: f64,
    step: f64,
}

impl Time {
    /// Reads `2.82ms` and `0.0028s`. Without a unit, the time is in ms.
    pub fn read(text: &str) -> Option<Self> {
        let (number, divisor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => (number, 1e3),
            (None, Some(number)) => (number, 1.0),
            (None, None) => (text, 1e3),
        };
        let decimals = number.split_once('.').map_or(0, |(_, digits)| digits.len().min(9));
        let step = (0..decimals).fold(1.0, |step, _| step / 10.0);
        Some(Self { seconds: number.trim().parse::<f64>().ok()? / divisor, step: step / divisor })
    }
}

impl Figures {
    /// The key of a line that is missing although every report has it.
    pub fn missing(&self) -> Option<&'static str> {
        let latency = &self.latency;
        [
            ("Number of threads", self.threads.is_some()),
            ("total time", self.is_short || self.total_time.is_some()),
            ("total number of events", self.is_short || self.events.is_some()),
            ("min", latency.min.is_some()),
            ("avg", latency.mean.is_some()),
            ("max", latency.max.is_some()),
            ("sum", self.sum.is_some()),
            ("events (avg/stddev)", self.is_short || self.events_per_thread.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_there)| (!is_there).then_some(key))
    }

    /// Why the numbers cannot be from one run. `test`: the test, if it is known; `is_part`: it is one of
    /// several reports of a run.
    pub fn contradiction(&self, test: Option<&str>, is_part: bool) -> Option<String> {
        let events = self.events.unwrap_or(0.0);
        let time = self.total_time.unwrap_or(0.0);
        let threads = self.threads.unwrap_or(0.0);
        if self.is_short {
            return self.short_contradiction();
        }
        if events == 0.0 {
            return Some("sysbench did not complete an event".to_owned());
        }
        // This also refuses NaN.
        if !(time > 0.0 && (events / time).is_finite()) {
            return Some(format!("sysbench took {time} s"));
        }
        let per_thread = self.events_per_thread.unwrap_or(0.0);
        // A report during the run is printed while the threads continue, so their counts do not agree
        // exactly.
        if !is_part && !is_near(per_thread * threads, events, 0.5 + threads * 1e-4) {
            return Some(format!(
                "the figures contradict each other: {events} events, but {per_thread} for each of {threads} threads"
            ));
        }
        self.impossible_latency(events, time, threads, is_part).or_else(|| {
            let own = match test {
                _ if is_part => true,
                Some("cpu") => self.rate.is_none_or(|rate| agrees(events / rate, time)),
                Some("memory") => {
                    self.operations.is_none_or(|operations| operations == events || operations < 0.0)
                        && self.memory_mib.is_none_or(|mib| mib > 0.0)
                }
                Some("oltp") => self.transactions.is_none_or(|rate| agrees(events / rate, time)),
                _ => true,
            };
            (!own).then(|| "the figures of its test and the general ones contradict each other".to_owned())
        })
    }

    fn short_contradiction(&self) -> Option<String> {
        let seconds = |time: Option<Time>| time.map_or(0.0, |time| time.seconds);
        let (min, mean, max) =
            (seconds(self.latency.min), seconds(self.latency.mean), seconds(self.latency.max));
        if self.reads.unwrap_or(0.0) + self.writes.unwrap_or(0.0) + self.fsyncs.unwrap_or(0.0) <= 0.0 {
            return Some("sysbench did not complete an event".to_owned());
        }
        (!(min <= mean && mean <= max))
            .then(|| format!("latencies of {min} to {max} s with mean {mean} s are not possible"))
    }

    fn impossible_latency(&self, events: f64, time: f64, threads: f64, is_part: bool) -> Option<String> {
        let ms = |time: Option<Time>| time.map_or(0.0, |time| time.seconds * 1e3);
        let (min, mean, max) = (ms(self.latency.min), ms(self.latency.mean), ms(self.latency.max));
        let sum = self.sum.unwrap_or(0.0);
        let step = self.latency.mean.map_or(0.0, |mean| mean.step);
        let per_thread = self.time_per_thread.unwrap_or(0.0);
        let possible = min <= mean
            && mean <= max
            && is_near(mean / 1e3 * events, sum, events * step * 0.51 + 1e-3)
            && (is_part || self.has_queue || sum <= threads * time * 1.05 + 1e-3)
            && (is_part || is_near(per_thread * threads, sum, threads * 1e-4 + 1e-3));
        (!possible).then(|| {
            format!(
                "latencies of {min} to {max} ms with mean {mean} and sum {} ms are not possible for {events} \
                 events of {threads} threads in {time} s",
                sum * 1e3
            )
        })
    }

    /// Zeros are left out. A latency of zero is below the printed resolution of 10 us. A rate of zero belongs
    /// to something that the test did not do. Counts of errors are kept, even if they are zero.
    pub fn metrics(&self, is_part: bool) -> Vec<Metric> {
        // In a part, the printed time is the time since the beginning, but events are counted since the part
        // before.
        let time = self.total_time.filter(|_| !is_part);
        let per_second = |count: Option<f64>| Some(count? / time?);
        let files = match (self.read_mib, self.written_mib) {
            (None, None) => self.file_bytes,
            (read, written) => Some((read.unwrap_or(0.0) + written.unwrap_or(0.0)) * MIB),
        };
        let seconds = |time: Option<Time>| time.map(|time| time.seconds);
        let percentile: Cow<'static, str> = match self.rank {
            95 => "latency_p95".into(),
            rank => format!("latency_p{rank}").into(),
        };
        let latency = &self.latency;
        let rates = [
            ("events_per_second", "1/s", self.rate.or(per_second(self.events))),
            ("throughput", "B/s", self.memory_mib.map(|rate| rate * MIB).or(files)),
            ("reads_per_second", "1/s", self.reads.or(per_second(self.read_count))),
            ("writes_per_second", "1/s", self.writes.or(per_second(self.write_count))),
            ("fsyncs_per_second", "1/s", self.fsyncs),
            ("transactions_per_second", "1/s", self.transactions),
            ("queries_per_second", "1/s", self.queries),
            ("events", "", self.events),
        ];
        let times: [(Cow<'static, str>, Option<f64>); 5] = [
            ("total_time".into(), time),
            ("latency_min".into(), seconds(latency.min)),
            ("latency_mean".into(), seconds(latency.mean)),
            (percentile, seconds(latency.percentile)),
            ("latency_max".into(), seconds(latency.max)),
        ];
        let counts =
            [("errors", self.errors), ("deadlocks", self.deadlocks), ("reconnects", self.reconnects)];
        let positive = |value: Option<f64>| value.filter(|value| *value != 0.0);
        let rates = rates
            .into_iter()
            .filter_map(|(name, unit, value)| positive(value).map(|value| Metric::higher(name, unit, value)));
        let times = times
            .into_iter()
            .filter_map(|(name, value)| positive(value).map(|value| Metric::lower(name, "s", value)));
        let counts =
            counts.into_iter().filter_map(|(name, value)| value.map(|value| Metric::lower(name, "", value)));
        rates.chain(times).chain(counts).collect()
    }
}

/// Whether the time that follows from a rate is that of the run. sysbench reads the clock for the rate a
/// little after the clock for the total time. On a busy machine the difference is larger.
fn agrees(implied: f64, time: f64) -> bool {
    (0.98 * time..=1.02 * time + 0.05).contains(&implied)
}

/// Whether two numbers are close to each other. NaN is not close to any number.
fn is_near(one: f64, other: f64, distance: f64) -> bool {
    (one - other).abs() <= distance
}
