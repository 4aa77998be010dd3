//! Functions that read numbers out of the text around them.

use crate::tools::report::first_number;

const MIB: f64 = 1_048_576.0;

pub fn first(value: &str) -> Option<f64> {
    first_number(value)
}

/// The number `350.95` in `10000  (350.95 per sec.)`.
pub fn in_brackets(value: &str) -> Option<f64> {
    first(value.split_once('(')?.1.strip_suffix("per sec.)")?)
}

/// The number `69828.80` in `IOPS=69828.80 1091.08 MiB/s (1144.08 MB/s)`.
pub fn iops(value: &str) -> Option<f64> {
    first(value.strip_prefix("IOPS=")?)
}

pub fn mib(value: &str) -> Option<f64> {
    first(value.split_once(' ')?.1.split_once("MiB/s")?.0)
}

/// Seconds, with or without the unit.
pub fn seconds(value: &str) -> Option<f64> {
    value.trim_end_matches('s').parse().ok()
}

/// The number `1116.0000` in `1116.0000/11.00`. At least two digits must follow the last point, otherwise the
/// line was cut.
pub fn before_slash(value: &str) -> Option<f64> {
    let (mean, deviation) = value.split_once('/')?;
    let (_, digits) = deviation.split_once('.')?;
    (digits.len() >= 2).then(|| mean.parse().ok())?
}

/// The number `95` in `95th percentile` and in `approx.  95 percentile`.
pub fn rank(key: &str) -> Option<u32> {
    let key = key.strip_suffix("percentile")?.trim_end();
    key.strip_prefix("approx.").unwrap_or(key).trim().trim_end_matches("th").parse().ok()
}

/// Bytes in `3.2M`, as `sb_print_value_size` prints them: `K`, `M`, `G`, `T` are powers of 1024, with or
/// without an `i`.
pub fn size(text: &str) -> Option<f64> {
    let number = text.trim_end_matches('i').trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let factor = match text.get(number.len()..)?.chars().next() {
        None => 1.0,
        Some('K') => 1024.0,
        Some('M') => MIB,
        Some('G') => MIB * 1024.0,
        Some('T') => MIB * MIB,
        Some(_) => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}
