//! `stress-ng` with `--metrics` or `--metrics-brief`, and the file of `--yaml`.
//!
//! Its text contains a table among messages, each with the level and the process (`text`). Columns were added
//! over time: CPU used from 0.14 on and memory from 0.15 on, both only with `--metrics`. The level changed
//! from `info` to `metrc` in 0.15. The line that says how the run ended was before the table up to 0.12, and
//! is after it since then. The file (`yaml`) has the same numbers with more digits (`stress_metrics_dump` of
//! `stress-ng.c`). A bogo operation is different in each stressor and in some versions. So only runs of the
//! same stressor and the same version can be compared.

mod text;
mod yaml;

use crate::tools::Tool;
use crate::{Decoded, Metric, Run};

/// stress-ng.
pub static STRESS_NG: Tool = Tool {
    name: "stress-ng",
    summary: "the table of --metrics and --metrics-brief, and the file of --yaml: a run for each stressor",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    yaml::recognises(head) || text::recognises(head)
}

fn decode(text: &str) -> Decoded {
    match yaml::recognises(text) {
        true => yaml::decode(text),
        false => {
            let (version, runs) = text::runs(text);
            Decoded { version, runs, ..Decoded::default() }
        }
    }
}

const MIXED: &str = "its lines are mixed with those of another run";

/// The columns that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Events,
    RealTime,
    UserTime,
    SystemTime,
    RealRate,
    CpuRate,
    CpuUsed,
    Memory,
}

/// The values of a stressor, with their columns.
#[derive(Clone, Debug, Default)]
struct Row {
    values: Vec<(Column, f64)>,
    /// Rates that only this stressor has: name, unit, value.
    own: Vec<(String, &'static str, f64)>,
}

impl Row {
    fn get(&self, column: Column) -> Option<f64> {
        self.values.iter().find(|(other, _)| *other == column).map(|(_, value)| *value)
    }

    /// The run for this row. `step`: half of the last printed digit of times.
    fn run(&self, line: usize, step: f64) -> Run {
        let Some(events) = self.get(Column::Events) else {
            return Run::unreadable(line, "the number of its operations is missing");
        };
        if let Some((column, value)) =
            self.values.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0))
        {
            return Run::unreadable(line, format!("{value} is not a valid {column:?}"));
        }
        if events == 0.0 {
            return Run::unreadable(line, "it did not complete an operation");
        }
        if let (Some(time), Some(rate)) = (self.get(Column::RealTime), self.get(Column::RealRate))
            && (events / rate - time).abs() > step + 0.01 * time
        {
            return Run::unreadable(
                line,
                format!(
                    "the figures contradict each other: {events} operations in {time} s are not {rate} per \
                     second"
                ),
            );
        }
        Run::complete(line, self.metrics())
    }

    /// Zeros are left out. Each of these values can be smaller than its last printed digit, but none of them
    /// is really zero.
    fn metrics(&self) -> Vec<Metric> {
        let metric = |(column, value): &(Column, f64)| match column {
            Column::RealRate => Metric::higher("events_per_second", "1/s", *value),
            Column::CpuRate => Metric::higher("events_per_cpu_second", "1/s", *value),
            Column::Events => Metric::higher("events", "", *value),
            Column::RealTime => Metric::lower("total_time", "s", *value),
            Column::UserTime => Metric::lower("user_time", "s", *value),
            Column::SystemTime => Metric::lower("system_time", "s", *value),
            Column::CpuUsed => Metric::lower("cpu_used", "%", *value),
            // `(KB)` is the unit of getrusage, 1024 bytes.
            Column::Memory => Metric::lower("max_rss", "B", *value * 1024.0),
        };
        let own = self.own.iter().map(|(name, unit, value)| Metric::higher(name.clone(), *unit, *value));
        let metrics = self.values.iter().map(metric).chain(own);
        metrics.filter(|metric| metric.value != 0.0).collect()
    }
}

/// Name and unit of a rate that only this stressor has: `wcscasecmp calls per sec`, `memory rate (MB per
/// sec)`, `memory rate (Mflop per sec)`, `MB/sec write rate`. Other numbers are left out, because the text
/// does not show whether higher or lower is better.
fn own_rate(description: &str) -> Option<(String, &'static str)> {
    if let Some(name) = description.strip_prefix("MB/sec ") {
        return Some((name.replace([' ', '/'], "_"), "MB/s"));
    }
    // The unit is in brackets, or it is the last word.
    let words = description.strip_suffix(" per sec").or(description.strip_suffix(" per sec)"))?;
    let (name, unit) = match words.rsplit_once(" (") {
        Some((name, "MB")) => (name.to_owned(), "MB/s"),
        Some((name, "Mflop")) => (format!("{name} mflop"), "Mflop/s"),
        Some(_) => return None,
        None => words.strip_suffix(" MB").map_or((words.to_owned(), "1/s"), |name| (name.to_owned(), "MB/s")),
    };
    Some((name.trim().replace(' ', "_") + "_per_second", unit))
}

#[cfg(test)]
mod tests;
