//! The numbers in fio's normal report: amounts with their prefixes, times with their units, lists of
//! percentiles.

use super::{Latency, percentile_name};
use crate::Metric;
use crate::tools::report::{agree, ascend};

/// What was read, written or trimmed. It has at least two lines in the block of a job.
pub(super) struct Direction {
    /// `read`, `write`, `trim`, `mixed`.
    pub kind: &'static str,
    /// Bytes/s: the printed values, in binary and in decimal units, and the value computed from bytes and
    /// time.
    rates: Vec<f64>,
    /// The printed value. It has all digits up to 3.x, and later three or four digits.
    iops: Amount,
    /// The duration in milliseconds.
    pub milliseconds: f64,
    completion: Times,
    total: Times,
}

/// One kind of time of a direction, in seconds.
#[derive(Default)]
pub(super) struct Times {
    /// Minimum, maximum and mean, from one line.
    pub latency: Option<Latency>,
    /// Per cent and seconds.
    pub percentiles: Vec<(f64, f64)>,
    /// Whether the list of percentiles is complete: its last row has no comma at the end.
    pub is_ended: bool,
}

/// A printed number such as `85.3k`, which is rounded to its last digit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Amount {
    value: f64,
    /// The value of one step in its last digit.
    last_digit: f64,
    /// The value of its prefix: 1000 for `k`.
    scale: f64,
}

impl Amount {
    fn new(text: &str) -> Option<Self> {
        let (digits, scale) = split(text);
        let scale = match scale {
            "" => 1.0,
            "k" | "K" => 1e3,
            "m" | "M" => 1e6,
            "g" | "G" => 1e9,
            _ => return None,
        };
        let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let value = digits.parse::<f64>().ok()? * scale;
        Some(Self { value, last_digit: scale * 0.1_f64.powi(i32::try_from(decimals).ok()?), scale })
    }

    /// Whether fio prints this number for the exact value. fio 3.1 has an error in rounding: it prints
    /// `11.0k` for 11.977k.
    fn is(&self, exact: f64) -> bool {
        let over = exact - self.value;
        over.abs() <= self.last_digit || (self.value % self.scale == 0.0 && over > 0.0 && over <= self.scale)
    }
}

/// The digits at the beginning of a text, and the rest.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// The value of a number such as `4068.5k`.
fn value(text: &str) -> Option<f64> {
    Amount::new(text).map(|amount| amount.value)
}

/// Bytes in `333MiB/s`, `350MB/s`, `2065Mibit/s`. `is_old`: the version is 2.x or earlier, where a KB is 1024
/// bytes.
fn bytes(text: &str, is_old: bool) -> Option<f64> {
    let (digits, unit) = split(text);
    let unit = unit.strip_suffix("/s").unwrap_or(unit);
    let (prefix, size) = match unit.strip_suffix("bit") {
        Some(prefix) => (prefix, 0.125),
        None => (unit.strip_suffix('B')?, 1.0),
    };
    let (prefix, base) = match prefix.strip_suffix('i') {
        Some(prefix) => (prefix, 1024_f64),
        None => (prefix, if is_old { 1024.0 } else { 1000.0 }),
    };
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|name| prefix.eq_ignore_ascii_case(name))?;
    Some(digits.parse::<f64>().ok()? * base.powi(i32::try_from(power).ok()?) * size)
}

/// The text after this word, up to the next comma. A comma before a digit does not end it: it separates
/// thousands. fio does not print such separators, and the number is then refused.
pub(super) fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(word)?;
    let is_end = |at: usize| !rest.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    let end = rest.match_indices([',', ';']).map(|(at, _)| at).find(|at| is_end(*at)).unwrap_or(rest.len());
    rest.get(..end).map(str::trim)
}

/// The milliseconds in `24msec` (twice), or both values of `114-117msec`.
pub(super) fn milliseconds(text: &str) -> Option<(f64, f64)> {
    let text = text.trim().strip_suffix("msec")?;
    let (one, other) = text.split_once('-').unwrap_or((text, text));
    Some((one.parse().ok()?, other.parse().ok()?))
}

/// Bytes/s in the line of a group: `bw=333MiB/s (350MB/s), …`, formerly `aggrb=46505KB/s`.
pub(super) fn of_group(line: &str) -> Option<f64> {
    match line.split_once("aggrb=") {
        Some(_) => bytes(after(line, "aggrb=")?, true),
        None => bytes(after(line, "bw=")?.split_once(" (")?.0, false),
    }
}

impl Direction {
    /// Reads `read: IOPS=85.3k, BW=333MiB/s (350MB/s)(8192KiB/24msec)`, formerly `read : io=8192.0KB,
    /// bw=585142KB/s, iops=146285, runt= 14msec`.
    pub fn new(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(':')?;
        let kind = ["read", "write", "trim", "mixed"].into_iter().find(|name| *name == kind.trim())?;
        let (iops, printed, amount, took) = if rest.contains("IOPS=") {
            let rates = after(rest, "BW=")?;
            let (rate, rest) = rates.split_once(" (")?;
            let (other, rest) = rest.split_once(")(")?;
            let (amount, took) = rest.strip_suffix(')')?.split_once('/')?;
            (
                after(rest_of(line), "IOPS=")?,
                vec![bytes(rate, false)?, bytes(other, false)?],
                bytes(amount, false)?,
                took,
            )
        } else {
            let (rate, amount) = (after(rest, "bw=")?, after(rest, " io=")?);
            (after(rest, "iops=")?, vec![bytes(rate, true)?], bytes(amount, true)?, after(rest, "runt=")?)
        };
        let milliseconds = milliseconds(took)?.0;
        let computed = (milliseconds > 0.0).then(|| amount * 1000.0 / milliseconds);
        Some(Self {
            kind,
            rates: printed.into_iter().chain(computed).collect(),
            iops: Amount::new(iops)?,
            milliseconds,
            completion: Times::default(),
            total: Times::default(),
        })
    }

    /// The times of this name. Times of the submission are not read.
    pub fn times(&mut self, name: &str) -> Option<&mut Times> {
        match name {
            "clat" => Some(&mut self.completion),
            "lat" => Some(&mut self.total),
            _ => None,
        }
    }

    /// The kind of time that the percentiles describe.
    pub fn percentiles_of(&self) -> Option<&'static str> {
        let all = [(&self.total, "total"), (&self.completion, "completion")];
        all.into_iter().find_map(|(times, name)| (!times.percentiles.is_empty()).then_some(name))
    }

    /// Bytes/s: the first value that another one confirms. A single value may be wrong because of fio 3.1's
    /// error in rounding.
    fn rate(&self) -> Option<f64> {
        let confirms =
            |one: f64| self.rates.iter().filter(|other| agree(one, **other, 0.01, 1024.0)).count() > 1;
        match self.rates.as_slice() {
            [only] => Some(*only),
            rates => rates.iter().copied().find(|rate| confirms(*rate)),
        }
    }

    /// Its numbers, if they agree with each other. `requests`: the exact number of requests, because the
    /// printed rate is rounded.
    pub fn metrics(&self, requests: f64) -> Result<Vec<Metric>, String> {
        let kind = self.kind;
        let rate = self.rate().ok_or_else(|| format!("{kind}: its two throughputs are different"))?;
        let exact = requests * 1000.0 / self.milliseconds;
        if self.milliseconds > 0.0 && !self.iops.is(exact) {
            return Err(format!("{kind}: {} requests a second are not {exact}", self.iops.value));
        }
        let iops = if self.milliseconds > 0.0 { exact } else { self.iops.value };
        for times in [&self.completion, &self.total] {
            times.check().map_err(|why| format!("{kind}: {why}"))?;
        }
        let mut metrics = Vec::new();
        let rates = [("throughput", "B/s", rate), ("iops", "1/s", iops)];
        let rates = rates.into_iter().filter(|(.., value)| *value > 0.0);
        metrics
            .extend(rates.map(|(name, unit, value)| Metric::higher(format!("{kind}_{name}"), unit, value)));
        let latency = self.total.latency.as_ref().or(self.completion.latency.as_ref());
        metrics.extend(latency.iter().flat_map(|latency| latency.metrics(kind)));
        let list = if self.total.percentiles.is_empty() { &self.completion } else { &self.total };
        for (percent, seconds) in &list.percentiles {
            if let Some(name) = percentile_name(*percent).filter(|_| *seconds > 0.0) {
                metrics.push(Metric::lower(format!("{kind}_latency_{name}"), "s", *seconds));
            }
        }
        Ok(metrics)
    }
}

/// The text of a line after its first colon.
fn rest_of(line: &str) -> &str {
    line.split_once(':').map_or(line, |(_, rest)| rest)
}

impl Times {
    fn check(&self) -> Result<(), &'static str> {
        // Minimum and maximum are printed as whole units, or as thousands with one decimal.
        let fits = self
            .latency
            .as_ref()
            .is_none_or(|latency| latency.fits(latency.max.unwrap_or_default() * 0.01 + 1e-6));
        let percents: Vec<_> = self.percentiles.iter().map(|(percent, _)| Some(*percent)).collect();
        let seconds: Vec<_> = self.percentiles.iter().map(|(_, seconds)| Some(*seconds)).collect();
        match (fits, ascend(&percents) && ascend(&seconds)) {
            _ if !self.is_ended && !self.percentiles.is_empty() => {
                Err("the list of its percentiles is incomplete")
            }
            (false, _) => Err("the mean latency is not between the minimum and the maximum"),
            (true, false) => Err("its percentiles do not ascend"),
            (true, true) => Ok(()),
        }
    }
}

/// The kind of times on a line, their unit in seconds, and the rest: `clat (usec): min=2, max=158, …`, `clat
/// percentiles (usec):`.
pub(super) fn title(line: &str) -> Option<(&str, f64, &str)> {
    let (name, rest) = line.split_once(" (")?;
    let (unit, rest) = rest.split_once("):")?;
    let unit = match unit {
        "nsec" => 1e-9,
        "usec" => 1e-6,
        "msec" => 1e-3,
        "sec" => 1.0,
        _ => return None,
    };
    ["clat", "lat", "sync"].contains(&name.trim_end_matches(" percentiles")).then_some((name, unit, rest))
}

/// Reads `min=2, max=158, avg= 5.27, stdev= 9.04`.
pub(super) fn latency(text: &str, unit: f64) -> Option<Latency> {
    let of = |word| value(after(text, word)?).map(|value| value * unit);
    let (min, max, mean, stddev) = (of("min=")?, of("max=")?, of("avg=")?, of("stdev=")?);
    Some(Latency { min: Some(min), mean: Some(mean), max: Some(max), stddev: Some(stddev) })
}

/// Per cent and seconds in `|  1.00th=[    3],  5.00th=[    4],`; `None` if a part is damaged.
pub(super) fn percentiles(row: &str, unit: f64) -> Option<Vec<(f64, f64)>> {
    let row = row.trim_start_matches('|').trim().trim_end_matches(',');
    let of = |part: &str| {
        let (percent, value) = part.trim().strip_suffix(']')?.split_once("th=[")?;
        Some((percent.parse::<f64>().ok()?, value.trim_start_matches('>').trim().parse::<f64>().ok()? * unit))
    };
    row.split(',').map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        assert_eq!(
            ["8192KiB/s", "350MB/s", "8Mibit/s", "12B/s", "1x"].map(|text| bytes(text, false)),
            [Some(8_388_608.0), Some(350e6), Some(1_048_576.0), Some(12.0), None]
        );
        assert_eq!(bytes("1.5KB/s", true), Some(1536.0));
        assert_eq!(["4068.5k", "12", "1.2x"].map(value), [Some(4_068_500.0), Some(12.0), None]);
    }

    #[test]
    fn a_rounded_rate_agrees_with_the_number_of_requests() {
        let is = |text, exact| Amount::new(text).is_some_and(|amount| amount.is(exact));
        assert!(is("85.3k", 85_333.0) && is("9377", 9377.6) && is("51", 51.97) && is("11.0k", 11_977.0));
        assert!(!is("85.3k", 86_333.0) && !is("11.0k", 12_977.0) && !is("51", 54.0));
    }
}
