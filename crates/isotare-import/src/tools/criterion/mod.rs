//! `criterion` (Rust): `estimates.json` and `sample.json` of `target/criterion`, the text of `cargo bench`,
//! and the messages of `cargo criterion --message-format json`.
//!
//! The files are in nanoseconds and do not contain the name of their benchmark. The name is in their path,
//! and in the `benchmark.json` beside them, which is used if it stands before them in the same file. The text
//! gives an estimate between the two ends of its interval: `time: [a b c]`. The estimate is the slope if each
//! sample has more iterations than the one before, otherwise the mean (`estimate.rs`: `typical`). The rate in
//! `thrpt` repeats the same information and is not read.

mod json;
mod text;

use crate::tools::{Tool, sound::sound};
use crate::{Decoded, Metric};

/// criterion.
pub static CRITERION: Tool = Tool {
    name: "criterion",
    summary: "estimates.json, sample.json, the text of cargo bench, messages of cargo criterion",
    recognises,
    decode,
};

fn recognises(head: &str) -> bool {
    json::recognises(head) || head.lines().any(text::is_time)
}

fn decode(text: &str) -> Decoded {
    let mut runs = json::runs(text);
    if runs.is_empty() {
        runs = text::runs(text);
    }
    sound(Decoded { runs, ..Decoded::default() })
}

/// A metric in seconds, if it is a time. Other measurements, for example cycles, keep their unit.
fn metric(name: &'static str, given: &str, value: f64) -> Metric {
    match unit(given) {
        Some(seconds) => Metric::lower(name, "s", value * seconds),
        None => Metric::lower(name, given.to_owned(), value),
    }
}

/// Seconds in one unit of time.
fn unit(name: &str) -> Option<f64> {
    match name {
        "ps" => Some(1e-12),
        "ns" => Some(1e-9),
        "us" | "µs" | "μs" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Status::{self, Complete, Incomplete, Unreadable};

    fn check(text: &str, expect: &[Status]) {
        let found: Vec<Status> = decode(text).runs.iter().map(|run| run.status).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn times_are_read_unless_two_runs_are_mixed() {
        check("a  time:   [1 ns 2 ns 3 ns]\nb  time:   [1 ns 2 ns 3 ns]\n", &[Complete, Complete]);
        check("a  time:   [1 ns 2 ns 3 ns]\na  time:   [1 ns 2 ns 3 ns]\n", &[Complete, Complete]);
        check("a  time:   [1 cycles 2 cycles 3 cycles]\n", &[Complete]);
        check("a  time:   [3 ns 2 ns 1 ns]\n", &[Unreadable]);
        check("a  time:   [1 ns 2 µs 3 ms]\n", &[Complete]);
        check("a  time:   [1 ns 2 cycles 3 cycles]\n", &[Incomplete]);
        check("a  time:   [1 ns 2 ns", &[Incomplete]);
        check("     time:   [1 ns 2 ns 3 ns]\n", &[Incomplete]);
        check("Benchmarking a\nBenchmarking a: Analyzing\n", &[Incomplete]);
        let of = |name: &str| format!("Benchmarking {name}\nBenchmarking {name}: Analyzing\n");
        check(&format!("{}{}a  time:   [1 ns 2 ns 3 ns]\n", of("a"), of("a")), &[Incomplete]);
        check(
            "a  time:   [1 ns 2 ns 3 ns]\na  time:   [1 ns 2 ns 3 ns]\nb  time:   [1 ns 2 ns 3 ns]\n",
            &[Incomplete, Incomplete, Complete],
        );
        let unit = decode("a  time:   [1 cycles 2 cycles 3 cycles]\n").runs;
        assert!(unit.iter().flat_map(|run| &run.metrics).all(|metric| metric.unit == "cycles"));
    }

    #[test]
    fn messages_of_cargo_criterion_are_read() {
        let amount = "{\"estimate\":2.0,\"lower_bound\":1.0,\"upper_bound\":3.0,\"unit\":\"ns\"}";
        let message = format!(
            "{{\"reason\":\"benchmark-complete\",\"id\":\"a\",\"typical\":{amount},\"mean\":{amount},\"median\":{amount}}}\n"
        );
        check(&message, &[Complete]);
        check(&format!("{message}{{\"reason\":\"group-complete\"}}\n"), &[Complete]);
        check(&message.replacen("2.0", "4.0", 1), &[Unreadable]);
    }

    #[test]
    fn a_sample_has_as_many_times_as_counts() {
        check("{\"sampling_mode\":\"Flat\",\"iters\":[1.0,2.0],\"times\":[10.0,30.0]}", &[Complete]);
        check("{\"iters\":[1.0,2.0],\"times\":[10.0]}", &[Unreadable]);
        check("{\"iters\":[0.0],\"times\":[10.0]}", &[Unreadable]);
        check("{\"iters\":[],\"times\":[]}", &[Unreadable]);
    }
}
