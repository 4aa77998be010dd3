//! The unit of a column, and whether higher or lower is better, derived from the column's name.

use crate::Metric;

/// A column whose numbers are averaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, as printed.
    pub name: String,
    /// Unit that follows from the name; empty: none does.
    pub unit: &'static str,
}

impl Column {
    /// A column of sysstat's.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), unit: unit(name) }
    }

    /// Bytes of one of its unit, for numbers that bring a unit of their own.
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

    /// Whether it is a share of counts, of which the mean over reports is not that over all the time.
    pub fn is_ratio(&self) -> bool {
        self.is_of_requests() || matches!(self.name.as_str(), "%vmeff" | "%rrqm" | "%wrqm" | "%drqm")
    }

    /// Whether it is of each request: zero says that there was none, or that it took less than can be shown.
    pub fn is_of_requests(&self) -> bool {
        let name = self.name.as_str();
        name.ends_with("await") || name.ends_with("areq-sz") || matches!(name, "avgrq-sz" | "svctm")
    }

    /// Its mean as a number of a run.
    pub fn metric(&self, value: f64) -> Metric {
        match more_is_better(&self.name) {
            true => Metric::higher(self.name.clone(), self.unit, value),
            false => Metric::lower(self.name.clone(), self.unit, value),
        }
    }
}

/// Columns whose names have no unit in them: the manuals tell (`pidstat(1)`, `iostat(1)`, `sar(1)`,
/// `mpstat(1)`). What sysstat calls kB is 1024 B.
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
    // Interrupts of sar.
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
        // Memory of sar: `kbmemfree`.
        _ if name.starts_with("kb") && name.len() > 2 => "kB",
        _ if name.starts_with("MBfs") => "MB",
        _ => "",
    }
}

/// For idle time, free memory and completed work, higher is better. Everything else that monitors print is a
/// cost.
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
