//! The JSON of `--export-json`.

use crate::documents::runs_in;
use crate::{Metric, Run};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Report {
    results: Vec<Command>,
}

#[derive(Deserialize)]
struct Command {
    command: Option<String>,
    mean: Option<f64>,
    /// A single run has none.
    stddev: Option<f64>,
    median: Option<f64>,
    user: Option<f64>,
    system: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    times: Option<Vec<f64>>,
    /// Since 1.19.
    memory_usage_byte: Option<Vec<f64>>,
    exit_codes: Option<Vec<Option<i64>>>,
    parameters: Option<BTreeMap<String, Value>>,
}

pub(super) fn recognises(head: &str) -> bool {
    ["\"results\"", "\"command\"", "\"mean\"", "\"stddev\"", "\"median\""]
        .iter()
        .all(|key| head.contains(key))
}

pub(super) fn runs(text: &str) -> Vec<Run> {
    runs_in(text, |line, value| {
        if value.pointer("/results/0/command").is_none() {
            return Vec::new();
        }
        match serde_json::from_value::<Report>(value) {
            Ok(report) => report.results.iter().map(|command| run(line, command)).collect(),
            Err(error) => {
                vec![Run::unreadable(line, format!("a field does not have hyperfine's format: {error}"))]
            }
        }
    })
}

fn run(line: usize, command: &Command) -> Run {
    let mut run = match command.check() {
        Ok(()) => Run::complete(line, command.metrics()),
        Err(why) => Run::unreadable(line, why),
    };
    run.labels.extend(command.command.clone().map(|name| ("command".to_owned(), name)));
    for (name, value) in command.parameters.iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        run.labels.insert(format!("parameter_{name}"), value);
    }
    run
}

impl Command {
    /// Fails if its numbers do not agree with its times.
    fn check(&self) -> Result<(), String> {
        let Some(times) = self.times.as_ref().filter(|times| !times.is_empty()) else { return Ok(()) };
        if self.exit_codes.as_ref().is_some_and(|codes| codes.len() != times.len()) {
            return Err(format!(
                "there are {} times, but the number of exit codes is different",
                times.len()
            ));
        }
        let near = |told: Option<f64>, found: f64| {
            told.is_none_or(|told| (told - found).abs() <= 1e-6 * found.abs() + 1e-9)
        };
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let min = times.iter().copied().fold(f64::INFINITY, f64::min);
        let max = times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (name, told, found) in [("mean", self.mean, mean), ("min", self.min, min), ("max", self.max, max)]
        {
            if !near(told, found) {
                return Err(format!("the {name} is wrong: the times give {found} s"));
            }
        }
        Ok(())
    }

    fn metrics(&self) -> Vec<Metric> {
        let positive = |value: Option<f64>| value.filter(|&value| value > 0.0);
        let times = [
            ("time_mean", self.mean),
            ("time_median", self.median),
            ("time_min", self.min),
            ("time_max", self.max),
            ("time_stddev", self.stddev),
            ("user_time", self.user),
            ("system_time", self.system),
        ];
        let mut metrics: Vec<Metric> = times
            .into_iter()
            .filter_map(|(name, value)| Some(Metric::lower(name, "s", positive(value)?)))
            .collect();
        if let Some(memory) = self.memory_usage_byte.as_ref().filter(|memory| !memory.is_empty()) {
            let mean = memory.iter().sum::<f64>() / memory.len() as f64;
            metrics.extend(positive(Some(mean)).map(|mean| Metric::lower("memory_mean", "B", mean)));
        }
        if let Some(codes) = &self.exit_codes {
            let failed = codes.iter().filter(|code| **code != Some(0)).count();
            metrics.push(Metric::lower("failed_runs", "", failed as f64));
        }
        metrics
    }
}
