//! Checks that every built-in workload's report must pass, and the metrics that all of them have.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use isotare_core::{Better, Invalid, JobOutput, MetricDef, Sample};
use isotare_protocol::{Builtin, EchoJob, Job, JobResult, Kind, WorkReport};

/// Events each second, the figure of most workloads.
pub const EVENTS_PER_SECOND: &str = "events_per_second";

/// The quantiles that are reported, if enough events lie beyond them.
const QUANTILES: [(&str, f64); 4] =
    [("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99), ("latency_p999", 0.999)];
/// The first four bytes of an uncompressed histogram and how long its head is: HdrHistogram's
/// `V2EncodingCookieBase` with the size of its words.
const V2_MAGIC: u32 = 0x1c84_9313;
const V2_HEAD: usize = 40;
/// Events that must lie beyond a quantile.
const EVENTS_BEYOND: f64 = 10.0;

/// The headline metrics followed by those of every workload.
pub fn metrics(headlines: &[MetricDef]) -> Vec<MetricDef> {
    let seconds = |name| MetricDef::detail(name, "s", Better::Lower);
    let mut all = headlines.to_vec();
    let common = [
        MetricDef::detail(EVENTS_PER_SECOND, "1/s", Better::Higher),
        seconds("latency_min"),
        seconds("latency_mean"),
        seconds("latency_p50"),
        seconds("latency_p95"),
        seconds("latency_p99"),
        seconds("latency_p999"),
        seconds("latency_max"),
        seconds("cpu_per_event"),
    ];
    for metric in common {
        if all.iter().all(|known| known.name != metric.name) {
            all.push(metric);
        }
    }
    all
}

/// A report that passed the checks of every workload, and the samples made of it so far.
pub struct Checked<'a> {
    /// What the agent sent.
    pub report: &'a WorkReport,
    metrics: Vec<MetricDef>,
    samples: Vec<Sample>,
}

/// Checks a result against the job it is of.
pub fn check<'a>(output: &'a JobOutput, job: &Job, metrics: Vec<MetricDef>) -> Result<Checked<'a>, Invalid> {
    let (JobResult::Work(report), Job::Builtin(job)) = (&output.result, job) else {
        return invalid("the agent sent a command's result for a built-in workload");
    };
    let latency = check_work(report, job)?;
    let mut checked = Checked { report, metrics, samples: Vec::new() };
    let (events, seconds) = (report.events as f64, report.elapsed_ns as f64 / 1e9);
    checked.push(EVENTS_PER_SECOND, events / seconds);
    checked.push("latency_min", latency.min() as f64 / 1e9);
    checked.push("latency_mean", report.latency_sum_ns as f64 / events / 1e9);
    for (name, quantile) in QUANTILES {
        if events * (1.0 - quantile) >= EVENTS_BEYOND {
            checked.push(name, latency.value_at_quantile(quantile) as f64 / 1e9);
        }
    }
    checked.push("latency_max", latency.max() as f64 / 1e9);
    checked.push("cpu_per_event", report.usage.cpu_ns() as f64 / events / 1e9);
    Ok(checked)
}

fn check_work(report: &WorkReport, job: &Builtin) -> Result<Histogram<u64>, Invalid> {
    let events = report.events;
    if events == 0 {
        return invalid("no event was completed");
    }
    if report.wrong > 0 {
        return invalid(format!("{} of {events} events had a wrong result", report.wrong));
    }
    if report.elapsed_ns == 0 {
        return invalid(format!("{events} events in no time"));
    }
    check_limit(report, job)?;
    // An instance can send any numbers, so a sum that overflows must not wrap around to a valid one.
    let in_intervals =
        report.intervals.iter().try_fold(0_u64, |sum, interval| sum.checked_add(interval.events));
    if in_intervals != Some(events) {
        let sum = in_intervals.map_or_else(|| "too many".to_owned(), |sum| sum.to_string());
        return invalid(format!("{events} events, but {sum} in the intervals"));
    }
    let latency = histogram(&report.latency)?;
    if latency.len() != events {
        return invalid(format!("{events} events, but {} latencies", latency.len()));
    }
    let mean = report.latency_sum_ns as f64 / events as f64;
    // In an open loop, events also wait for a thread that is free.
    let is_open = matches!(&job.kind, Kind::Echo(EchoJob { rate: Some(_), .. }));
    if !is_open && mean > f64::from(job.threads) * report.elapsed_ns as f64 * 1.05 / events as f64 {
        return invalid(format!(
            "the latencies add up to {} ns, which is more than {} threads have in {} ns",
            report.latency_sum_ns, job.threads, report.elapsed_ns
        ));
    }
    // The histogram keeps three digits and counts less than 1 ns as 1 ns.
    let slack = 2.0 + mean * 0.01;
    if (latency.mean() - mean).abs() > slack
        || mean + slack < latency.min() as f64
        || mean > latency.max() as f64 + slack
    {
        return invalid(format!(
            "a mean latency of {mean:.0} ns is not possible with a histogram of {} to {} ns",
            latency.min(),
            latency.max()
        ));
    }
    Ok(latency)
}

/// Reads a histogram in HDR's V2 encoding: four bytes of magic number, four with the length of what follows
/// 32 more bytes. The decoder would reserve what that length says, up to 4 GiB, and would also unpack a
/// compressed one.
fn histogram(bytes: &[u8]) -> Result<Histogram<u64>, Invalid> {
    let words = bytes.first_chunk::<8>().map(|&[a, b, c, d, e, f, g, h]| {
        (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
    });
    match words {
        Some((V2_MAGIC, payload)) if bytes.len().checked_sub(V2_HEAD) == usize::try_from(payload).ok() => {}
        _ => return invalid("the latency histogram cannot be read: its header does not match its data"),
    }
    Deserializer::new()
        .deserialize(&mut &*bytes)
        .map_err(|error| Invalid(format!("the latency histogram cannot be read: {error:?}")))
}

fn check_limit(report: &WorkReport, job: &Builtin) -> Result<(), Invalid> {
    let by_events = job.limit.events.is_some_and(|limit| report.events == limit);
    if let Some(limit) = job.limit.events.filter(|&limit| report.events > limit) {
        return invalid(format!("{} events, more than the limit of {limit}", report.events));
    }
    match job.limit.duration_ms {
        None if !by_events => invalid(format!(
            "ended after {} events instead of {}",
            report.events,
            job.limit.events.unwrap_or(0)
        )),
        // The last event may have ended before the time was over, but only a little: a thread that was
        // stopped between two events has not counted anything meanwhile.
        Some(ms) if !by_events && report.elapsed_ns < ms.saturating_mul(500_000) => {
            invalid(format!("ended after {} ns instead of {ms} ms", report.elapsed_ns))
        }
        _ => Ok(()),
    }
}

impl Checked<'_> {
    /// Adds a sample; the name is one of the metrics.
    pub fn push(&mut self, name: &str, value: f64) {
        if let Some(metric) = self.metrics.iter().find(|metric| metric.name == name) {
            self.samples.push(Sample::of_workload(metric.clone(), value));
        }
    }

    /// Adds a count as a rate. Operations that a mode never does have no rate.
    pub fn push_rate(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.push(name, count as f64 / (self.report.elapsed_ns as f64 / 1e9));
        }
    }

    /// The samples, headlines first.
    pub fn into_samples(mut self) -> Vec<Sample> {
        let rank = |sample: &Sample| self.metrics.iter().position(|metric| *metric == sample.metric);
        self.samples.sort_by_key(rank);
        self.samples
    }
}

/// An invalid result.
pub fn invalid<T>(why: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(why.into()))
}
