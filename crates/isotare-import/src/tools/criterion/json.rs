//! criterion's files, and the messages of cargo-criterion.

use super::metric;
use crate::documents::runs_in;
use crate::{Metric, Run};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Estimates {
    #[serde(alias = "Mean")]
    mean: Estimate,
    #[serde(alias = "Median")]
    median: Estimate,
    /// Only estimates of times have it. The file of changes against an earlier run does not.
    #[serde(alias = "StdDev")]
    std_dev: Option<Estimate>,
    #[serde(alias = "Slope")]
    slope: Option<Estimate>,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    typical: Amount,
    mean: Amount,
    median: Amount,
    slope: Option<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    estimate: f64,
    lower_bound: f64,
    upper_bound: f64,
    unit: String,
}

pub(super) fn recognises(head: &str) -> bool {
    let has = |keys: &[&str]| keys.iter().all(|key| head.contains(key));
    has(&["\"confidence_interval\"", "\"point_estimate\""])
        || has(&["\"iters\"", "\"times\""])
        || has(&["\"reason\":\"benchmark-complete\""])
}

pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut benchmark: Option<String> = None;
    // The mean of the last estimates. The sample that belongs to them may follow.
    let mut estimated: Option<f64> = None;
    runs_in(text, |line, value| {
        if let Some(name) = value.get("full_id").and_then(Value::as_str) {
            (benchmark, estimated) = (Some(name.to_owned()), None);
            return Vec::new();
        }
        let run = if value.pointer("/mean/point_estimate").or(value.pointer("/Mean/point_estimate")).is_some()
        {
            let estimates = serde_json::from_value::<Estimates>(value);
            estimated = estimates.as_ref().ok().map(|estimates| estimates.mean.point_estimate);
            of(line, estimates.map_err(|error| error.to_string()).and_then(|estimates| estimates.metrics()))
        } else if value.get("iters").is_some() && value.get("times").is_some() {
            let sample = serde_json::from_value::<Sample>(value).map_err(|error| error.to_string());
            match (sample.and_then(|sample| sample.per_iteration()), estimated.take()) {
                (Ok(times), Some(mean)) if (average(&times) - mean).abs() <= 1e-6 * mean => {
                    return Vec::new();
                }
                (Ok(_), Some(_)) => {
                    Run::unreadable(line, "the sample does not belong to the estimates before it")
                }
                (found, None) => of(line, found.map(metrics)),
                (Err(why), Some(_)) => Run::unreadable(line, why),
            }
        } else if value.get("reason").and_then(Value::as_str) == Some("benchmark-complete") {
            match serde_json::from_value::<Message>(value) {
                Ok(message) => return vec![message.run(line)],
                Err(error) => Run::unreadable(line, error.to_string()),
            }
        } else {
            return Vec::new();
        };
        vec![match &benchmark {
            Some(name) => run.with("benchmark", name.clone()),
            None => run,
        }]
    })
}

fn of(line: usize, found: Result<Vec<Metric>, String>) -> Run {
    found.map_or_else(|why| Run::unreadable(line, why), |metrics| Run::complete(line, metrics))
}

impl Estimates {
    fn metrics(&self) -> Result<Vec<Metric>, String> {
        let stddev =
            self.std_dev.as_ref().ok_or("these are changes relative to an earlier run, not times")?;
        let typical = self.slope.as_ref().unwrap_or(&self.mean);
        let all = [
            ("time", typical),
            ("time_mean", &self.mean),
            ("time_median", &self.median),
            ("time_stddev", stddev),
        ];
        let mut metrics = Vec::new();
        for (name, estimate) in all {
            let (value, interval) = (estimate.point_estimate, &estimate.confidence_interval);
            check(name, [interval.lower_bound, value, interval.upper_bound])?;
            if value > 0.0 {
                metrics.push(metric(name, "ns", value));
            }
        }
        Ok(metrics)
    }
}

/// Fails if an estimate is outside its interval.
pub(super) fn check(name: &str, [lower, value, upper]: [f64; 3]) -> Result<(), String> {
    let slack = 1e-9 * value.abs();
    match lower <= value + slack && value <= upper + slack {
        true => Ok(()),
        false => Err(format!("{name} is outside its interval: {value} in [{lower} {upper}]")),
    }
}

impl Sample {
    /// Nanoseconds for one iteration, in each sample.
    fn per_iteration(&self) -> Result<Vec<f64>, String> {
        if self.iters.len() != self.times.len() || self.iters.is_empty() {
            return Err(format!("it has {} times for {} samples", self.times.len(), self.iters.len()));
        }
        if !self.iters.iter().all(|&count| count >= 1.0) {
            return Err("a sample has no iterations".to_owned());
        }
        Ok(self.times.iter().zip(&self.iters).map(|(time, count)| time / count).collect())
    }
}

fn average(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

fn metrics(mut times: Vec<f64>) -> Vec<Metric> {
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).copied().unwrap_or(f64::NAN);
    let half = times.len() / 2;
    let median = if times.len() % 2 == 1 { at(half) } else { (at(half - 1) + at(half)) / 2.0 };
    vec![
        metric("time_mean", "ns", average(&times)),
        metric("time_median", "ns", median),
        metric("time_min", "ns", at(0)),
        metric("time_max", "ns", at(times.len() - 1)),
    ]
}

impl Message {
    fn run(&self, line: usize) -> Run {
        let mut metrics = Vec::new();
        let all = [
            ("time", Some(&self.typical)),
            ("time_mean", Some(&self.mean)),
            ("time_median", Some(&self.median)),
        ];
        for (name, amount) in all.into_iter().chain([("time_slope", self.slope.as_ref())]) {
            let Some(amount) = amount else { continue };
            if let Err(why) = check(name, [amount.lower_bound, amount.estimate, amount.upper_bound]) {
                return Run::unreadable(line, why).with("benchmark", self.id.clone());
            }
            if amount.estimate > 0.0 && name != "time_slope" {
                metrics.push(metric(name, &amount.unit, amount.estimate));
            }
        }
        Run::complete(line, metrics).with("benchmark", self.id.clone())
    }
}
