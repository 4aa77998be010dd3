//! Whether higher or lower is better, as far as a unit shows it.

use isotare_core::Better;

/// Units of time, as people write them.
const TIMES: [&str; 30] = [
    "ps",
    "ns",
    "nsec",
    "nsecs",
    "nanosecond",
    "nanoseconds",
    "us",
    "µs",
    "μs",
    "usec",
    "usecs",
    "microsecond",
    "microseconds",
    "ms",
    "msec",
    "msecs",
    "millisecond",
    "milliseconds",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "min",
    "minute",
    "minutes",
    "h",
    "hr",
    "hour",
    "hours",
];
/// The periods of rates.
const PERIODS: [&str; 11] =
    ["s", "sec", "secs", "second", "seconds", "min", "minute", "minutes", "h", "hour", "hours"];
/// Rates that are written as one word, without the prefix of a size.
const RATES: [&str; 9] = ["bps", "flops", "fps", "iops", "ips", "pps", "qps", "rps", "tps"];
/// Prefixes of the International System and of IEC 80000-13.
const PREFIXES: [&str; 10] = ["", "k", "m", "g", "t", "p", "ki", "mi", "gi", "ti"];

/// The better direction of a unit: `MB/s` and `requests per second` are rates, of which more is better; `ms`
/// and `ns/op` are times, of which less is better. `None` for all others, such as `%`, `MB` or `ms/s`: they
/// may be either.
pub(crate) fn better(unit: &str) -> Option<Better> {
    let unit = unit.trim().to_lowercase();
    let is_time = |word: &str| TIMES.contains(&word);
    let Some((above, below)) = unit.split_once('/').or_else(|| unit.split_once(" per ")) else {
        let is_rate = |rate: &str| unit.strip_suffix(rate).is_some_and(|rest| PREFIXES.contains(&rest));
        // `ps` is a time, and no rate ends in a unit of time.
        return match is_time(&unit) {
            true => Some(Better::Lower),
            false => (RATES.iter().any(|rate| is_rate(rate)) || unit == "mips").then_some(Better::Higher),
        };
    };
    let (above, below) = (above.trim(), below.trim());
    match (is_time(above), PERIODS.contains(&below)) {
        (false, true) if !above.is_empty() => Some(Better::Higher),
        (true, false) if !below.is_empty() && !is_time(below) => Some(Better::Lower),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_shows_its_direction_if_it_has_one() {
        let rates = [
            "KIOPS",
            "kIOPS",
            "IOPS",
            "requests per second",
            "req/second",
            "req/s",
            "MB/second",
            "MiB/sec",
            "ops per sec",
            "ops/s",
            "GFLOPS",
            "Gbps",
            "fps",
            "tps",
            "MIPS",
            "1/s",
            "transactions/min",
        ];
        for unit in rates {
            assert_eq!(better(unit), Some(Better::Higher), "{unit}");
        }
        for unit in ["s", "ms", "µs", "ns", "ps", "seconds", "msec", "ns/op", "s/request", "ms per request"]
        {
            assert_eq!(better(unit), Some(Better::Lower), "{unit}");
        }
        for unit in ["", "ms/s", "s/s", "%", "MB", "points", "score", "/s", "ms/", "widgets", "ops"] {
            assert_eq!(better(unit), None, "{unit}");
        }
    }
}
