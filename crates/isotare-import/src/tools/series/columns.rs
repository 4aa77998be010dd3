//! The unit of a column, and whether higher or lower is better, derived from the column's name.

use crate::Metric;

/// A column whose numbers are averaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, as it was printed.
    pub name: String,
    /// The unit that follows from the name; empty: the unit is not known.
    pub unit: &'static str,
}

impl Column {
    /// A column of a tool of sysstat.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), unit: unit(name) }
    }

    /// Bytes in one unit of this column. It is needed for numbers that have a unit of their own.
    pub fn base(&self) -> Option<f64> {
        match self.unit {
            "kB" | "kB/s" | "KiB" | "KiB/s" => Some(1024.0),
            "MB" | "MB/s" | "MiB" => Some(1_048_576.0),
            "GiB" | "GB" | "GB/s" => Some(1_073_741_824.0),
            "TiB" => Some(1_099_511_627_776.0),
            "B" => Some(1.0),
            _ => None,
        }
    }

    /// Whether it is a ratio of counts. The mean of a ratio over reports is not the ratio over the whole
    /// time.
    pub fn is_ratio(&self) -> bool {
        self.is_of_requests() || matches!(self.name.as_str(), "%vmeff" | "%rrqm" | "%wrqm" | "%drqm")
    }

    /// Whether it is a value for each request. Then zero means that there was no request, or that the value
    /// is too small to be shown.
    pub fn is_of_requests(&self) -> bool {
        let name = self.name.as_str();
        name.ends_with("await") || name.ends_with("areq-sz") || matches!(name, "avgrq-sz" | "svctm")
    }

    /// The metric for its mean.
    pub fn metric(&self, value: f64) -> Metric {
        match more_is_better(&self.name) {
            true => Metric::higher(self.name.clone(), self.unit, value),
            false => Metric::lower(self.name.clone(), self.unit, value),
        }
    }
}

/// Units of columns whose names do not contain a unit, from the manuals (`pidstat(1)`, `iostat(1)`, `sar(1)`,
/// `mpstat(1)`). A kB of sysstat has 1024 B.
const UNITS: &[(&str, &str)] = &[
    ("VSZ", "kB"),
    ("RSS", "kB"),
    ("StkSize", "kB"),
    ("StkRef", "kB"),
    ("VIRT", "KiB"),
    ("RES", "KiB"),
    ("SHR", "KiB"),
    ("SWAP", "KiB"),
    ("CODE", "KiB"),
    ("DATA", "KiB"),
    ("USED", "KiB"),
    ("iodelay", "ticks"),
    ("usr-ms", "ms"),
    ("system-ms", "ms"),
    ("guest-ms", "ms"),
    ("await", "ms"),
    ("svctm", "ms"),
    ("areq-sz", "kB"),
    ("rareq-sz", "kB"),
    ("wareq-sz", "kB"),
    ("dareq-sz", "kB"),
    ("avgrq-sz", "sectors"),
    ("degC", "°C"),
    ("inV", "V"),
    ("MHz", "MHz"),
    ("wghMHz", "MHz"),
    ("rpm", "1/min"),
    ("drpm", "1/min"),
    ("tps", "1/s"),
    ("rtps", "1/s"),
    ("wtps", "1/s"),
    ("dtps", "1/s"),
    // The interrupts of sar.
    ("all", "1/s"),
];

fn unit(name: &str) -> &'static str {
    if let Some((_, unit)) = UNITS.iter().find(|(known, _)| *known == name) {
        return unit;
    }
    if name.starts_with('%') {
        return "%";
    }
    if name.strip_prefix("CPU").is_some_and(|number| number.parse::<u32>().is_ok()) {
        return "1/s";
    }
    if name.ends_with("_await") {
        return "ms";
    }
    let per_second = name.ends_with("/s");
    for (mark, amount, rate) in [("kB", "kB", "kB/s"), ("MB", "MB", "MB/s"), ("GB", "GB", "GB/s")] {
        if name.contains(mark) {
            return if per_second { rate } else { amount };
        }
    }
    match (per_second, name) {
        (true, _) => "1/s",
        // The memory columns of sar, for example `kbmemfree`.
        _ if name.starts_with("kb") && name.len() > 2 => "kB",
        _ if name.starts_with("MBfs") => "MB",
        _ => "",
    }
}

/// Whether higher is better: for idle time, free memory and completed work. All other columns of monitors are
/// costs.
fn more_is_better(name: &str) -> bool {
    let good =
        ["%idle", "idle", "id", "kbmemfree", "kbavail", "free", "tps", "rtps", "wtps", "r/s", "w/s", "cap"];
    let work = [
        "kB_rd/s", "kB_wr/s", "kB_read", "kB_wrtn", "MB_read", "MB_wrtn", "rkB/s", "wkB/s", "rMB/s", "wMB/s",
    ];
    let moved = ["rxpck/s", "txpck/s", "rxkB/s", "txkB/s", "bread/s", "bwrtn/s"];
    good.contains(&name) || moved.contains(&name) || work.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_from_names() {
        for (name, expect) in [
            ("%usr", "%"),
            ("kB_rd/s", "kB/s"),
            ("MB_read/s", "MB/s"),
            ("kB_read", "kB"),
            ("rkB/s", "kB/s"),
            ("minflt/s", "1/s"),
            ("RSS", "kB"),
            ("r_await", "ms"),
            ("kbmemfree", "kB"),
            ("runq-sz", ""),
            ("threads", ""),
            ("aqu-sz", ""),
        ] {
            assert_eq!(unit(name), expect, "{name}");
        }
    }
}
