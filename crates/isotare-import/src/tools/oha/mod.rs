//! `oha`: its text and the document of `--output-format json` (formerly `--json`).
//!
//! Times are in seconds. Some requests are cut short when the time of `-z` ends. oha counts them as errors
//! "aborted due to deadline", although they did not fail (`printer.rs`, `result_data.rs`). Its own rate
//! covers all requests, including those that were refused at once. Here, the rate covers only those that were
//! answered.

mod text;

use crate::documents::runs_in;
use crate::tools::{Tool, sound::sound};
use crate::{Decoded, Metric, Run};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// oha.
pub static OHA: Tool = Tool { name: "oha", summary: "text and JSON", recognises, decode };

#[derive(Deserialize)]
struct Report {
    summary: Option<Summary>,
    #[serde(rename = "latencyPercentiles")]
    percentiles: Option<BTreeMap<String, Option<f64>>>,
    #[serde(rename = "statusCodeDistribution")]
    statuses: Option<BTreeMap<String, f64>>,
    #[serde(rename = "errorDistribution")]
    errors: Option<BTreeMap<String, f64>>,
    /// The rate of answered requests, if it is known more exactly than from the number of answers and the
    /// time.
    #[serde(skip)]
    answered_per_second: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    total: Option<f64>,
    slowest: Option<f64>,
    fastest: Option<f64>,
    average: Option<f64>,
    requests_per_sec: Option<f64>,
    size_per_sec: Option<f64>,
}

fn recognises(head: &str) -> bool {
    (head.contains("\"successRate\"") && head.contains("\"requestsPerSec\"")) || text::recognises(head)
}

fn decode(text: &str) -> Decoded {
    let mut warnings = Vec::new();
    let runs = runs_in(text, |line, value: Value| {
        if value.pointer("/summary/requestsPerSec").is_none() {
            return Vec::new();
        }
        let report = serde_json::from_value::<Report>(value);
        warnings.extend(report.iter().flat_map(Report::failures).map(|failure| warning(line, failure)));
        vec![match report.map_err(|error| error.to_string()).and_then(|report| report.metrics()) {
            Ok(Outcome::Answered(metrics)) => Run::complete(line, metrics),
            Ok(Outcome::Failed(why)) => Run::incomplete(line, why),
            Err(why) => Run::unreadable(line, why),
        }]
    });
    let (of_text, more) = text::decode(text);
    let mut runs: Vec<Run> = runs.into_iter().chain(of_text).collect();
    runs.sort_by_key(|run| run.line);
    warnings.extend(more);
    sound(Decoded { runs, warnings, ..Decoded::default() })
}

fn warning(line: usize, (words, count): (&str, f64)) -> String {
    format!("line {line}: {count} requests failed: {words}")
}

enum Outcome {
    Answered(Vec<Metric>),
    Failed(String),
}

/// The sum. `Iterator::sum` would give -0.0 for no values.
fn total(counts: impl Iterator<Item = f64>) -> f64 {
    counts.fold(0.0, |all, count| all + count)
}

const DEADLINE: &str = "aborted due to deadline";

impl Report {
    /// The messages of failed requests, and the number of each.
    fn failures(&self) -> impl Iterator<Item = (&str, f64)> {
        let errors = self.errors.iter().flatten().filter(|(words, _)| *words != DEADLINE);
        errors.map(|(words, count)| (words.as_str(), *count))
    }

    fn metrics(&self) -> Result<Outcome, String> {
        let Some(summary) = &self.summary else { return Err("it has no summary".to_owned()) };
        let statuses = self.statuses.as_ref().ok_or("the counts of answers are missing")?;
        let errors = self.errors.as_ref().ok_or("the counts of errors are missing")?;
        let answered = total(statuses.values().copied());
        let failed = total(self.failures().map(|(_, count)| count));
        if answered == 0.0 {
            let told: Vec<String> =
                self.failures().map(|(words, count)| format!("{count} × {words}")).collect();
            return Ok(Outcome::Failed(format!("no request was answered: {}", told.join(", "))));
        }
        let aborted = errors.get(DEADLINE).copied().unwrap_or(0.0);
        summary.check(answered + failed, aborted)?;
        let refused = statuses.iter().filter(|(status, _)| status.starts_with(['4', '5']));
        let refused = total(refused.map(|(_, count)| *count));
        let positive = |value: Option<f64>| value.filter(|&value| value > 0.0);
        let computed = positive(summary.total).map(|seconds| answered / seconds);
        let rates = [
            ("requests_per_second", "1/s", self.answered_per_second.or(computed)),
            ("throughput", "B/s", summary.size_per_sec),
        ];
        let percentile = |name: &str| self.percentiles.as_ref()?.get(name).copied().flatten();
        let times = [
            ("latency_min", summary.fastest),
            ("latency_mean", summary.average),
            ("latency_max", summary.slowest),
            ("latency_p50", percentile("p50")),
            ("latency_p95", percentile("p95")),
            ("latency_p99", percentile("p99")),
            ("latency_p999", percentile("p99.9")),
            ("total_time", summary.total),
        ];
        let rates = rates
            .into_iter()
            .filter_map(|(name, unit, value)| Some(Metric::higher(name, unit, positive(value)?)));
        let times =
            times.into_iter().filter_map(|(name, value)| Some(Metric::lower(name, "s", positive(value)?)));
        let counts = [("failed_requests", failed), ("error_responses", refused)];
        let counts = counts.into_iter().map(|(name, count)| Metric::lower(name, "", count));
        Ok(Outcome::Answered(rates.chain(times).chain(counts).collect()))
    }
}

impl Summary {
    /// Fails if the mean is not between minimum and maximum, or if the rate does not agree with the number of
    /// requests. This number may include the requests that were cut short at the end.
    fn check(&self, requests: f64, aborted: f64) -> Result<(), String> {
        if let (Some(fastest), Some(average), Some(slowest)) = (self.fastest, self.average, self.slowest)
            && (fastest > average + 1e-9 || average > slowest + 1e-9)
        {
            return Err("the mean latency is not between the minimum and the maximum".to_owned());
        }
        if let (Some(rate), Some(seconds)) = (self.requests_per_sec, self.total) {
            let counted = rate * seconds;
            if counted < 0.99 * requests - 1.0 || counted > 1.01 * (requests + aborted) + 1.0 {
                return Err(format!(
                    "the figures contradict each other: {rate} requests a second in {seconds} s are not \
                     {requests} requests"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Status;

    fn check(summary: &str, counts: &str, expect: Status) {
        let text = format!("{{\"summary\": {{{summary}}}, {counts}}}\n");
        let found = decode(&text);
        assert_eq!(found.runs.iter().map(|run| run.status).collect::<Vec<_>>(), [expect], "{text}");
    }

    #[test]
    fn numbers_that_contradict_each_other_are_refused() {
        let all = r#""statusCodeDistribution": {"200": 8, "503": 2}, "errorDistribution": {}"#;
        let times = r#""total": 2.0, "fastest": 0.1, "average": 0.2, "slowest": 0.3"#;
        check(&format!(r#"{times}, "requestsPerSec": 5.0"#), all, Status::Complete);
        check(&format!(r#"{times}, "requestsPerSec": 9.0"#), all, Status::Unreadable);
        check(
            r#""fastest": 0.3, "average": 0.2, "slowest": 0.3, "requestsPerSec": 5.0"#,
            all,
            Status::Unreadable,
        );
        check(&format!(r#"{times}, "requestsPerSec": 5.0"#), r#""a": 1"#, Status::Unreadable);
        let none = r#""statusCodeDistribution": {}, "errorDistribution": {"refused": 10}"#;
        check(&format!(r#"{times}, "requestsPerSec": 5.0"#), none, Status::Incomplete);
    }
}
