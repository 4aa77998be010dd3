//! What sysbench 1.0 prints. Seen in recorded outputs of 1.0.20; pure functions of the text.

const MIB: f64 = 1_048_576.0;

/// The figures of one run. What a test does not print is `None`.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    threads: Option<u64>,
    total_time: f64,
    events: u64,
    /// Minimum, mean, 95th percentile, maximum, sum; ms.
    latency: [f64; 5],
    cpu_rate: Option<f64>,
    operations: Option<u64>,
    memory_mib: Option<f64>,
    reads: Option<f64>,
    writes: Option<f64>,
    fsyncs: Option<f64>,
    read_mib: Option<f64>,
    written_mib: Option<f64>,
}

/// What sysbench gives as the reason of a failure: it prints it to its standard output.
pub fn complaint(text: &str) -> Option<&str> {
    text.lines().find(|line| line.starts_with("FATAL:")).map(str::trim)
}

impl Parsed {
    /// Reads the output of `sysbench … run`.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.starts_with("sysbench 1.0.") {
            let first = text.lines().next().unwrap_or("");
            return Err(format!("no output of sysbench 1.0: it begins with '{first}'"));
        }
        if let Some(why) = complaint(text) {
            return Err(why.to_owned());
        }
        let number = |key: &str| value(text, key)?.parse::<f64>().ok();
        let needed = |key: &str| number(key).ok_or_else(|| format!("sysbench printed no '{key}'"));
        let mut latency = [0.0; 5];
        for (place, key) in latency.iter_mut().zip(["min", "avg", "95th percentile", "max", "sum"]) {
            *place = needed(key)?;
        }
        Ok(Self {
            threads: value(text, "Number of threads").and_then(|text| text.parse().ok()),
            total_time: value(text, "total time")
                .and_then(|text| text.strip_suffix('s')?.parse().ok())
                .ok_or("sysbench printed no 'total time'")?,
            events: value(text, "total number of events")
                .and_then(|text| text.parse().ok())
                .ok_or("sysbench printed no 'total number of events'")?,
            latency,
            cpu_rate: number("events per second"),
            operations: first_word(text, "Total operations").and_then(|word| word.parse().ok()),
            memory_mib: text.lines().find_map(transferred),
            reads: number("reads/s"),
            writes: number("writes/s"),
            fsyncs: number("fsyncs/s"),
            read_mib: number("read, MiB/s"),
            written_mib: number("written, MiB/s"),
        })
    }

    /// Whether the figures agree with each other and with what was asked for.
    pub fn verify(&self, test: &str, threads: u64) -> Result<(), String> {
        let rate = self.events as f64 / self.total_time;
        if self.events == 0 {
            return Err("sysbench completed no event".to_owned());
        }
        // Also refuses what is no number.
        if self.total_time <= 0.0 || !rate.is_finite() {
            return Err(format!("sysbench took {} s", self.total_time));
        }
        if self.threads != Some(threads) {
            return Err(format!("sysbench ran {:?} threads instead of {threads}", self.threads));
        }
        let [min, mean, _, max, sum] = self.latency;
        if min > mean || mean > max || sum > threads as f64 * self.total_time * 1000.0 * 1.05 + 1.0 {
            return Err(format!(
                "latencies of {min} to {max} ms with mean {mean} and sum {sum} ms cannot be right for {threads} \
                 threads in {} s",
                self.total_time
            ));
        }
        let own = match test {
            "cpu" => self.cpu_rate.is_some_and(|printed| {
                // The rate's clock is read after the one of the total time, by as much as a busy machine lets pass.
                let implied = self.events as f64 / printed;
                (0.98 * self.total_time..=1.02 * self.total_time + 0.05).contains(&implied)
            }),
            "memory" => self.operations == Some(self.events) && self.memory_mib.is_some_and(|mib| mib > 0.0),
            "mutex" => self.events == threads,
            "fileio" => [self.reads, self.writes].iter().flatten().sum::<f64>() > 0.0,
            _ => true,
        };
        match own {
            true => Ok(()),
            false => Err(format!("the figures of sysbench's test {test} contradict each other: {self:?}")),
        }
    }

    /// Metrics by name. Zeros are left out: a latency below the printed resolution of 10 us is not zero, and a rate of
    /// what a mode does not do is no rate.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        let files = match (self.read_mib, self.written_mib) {
            (None, None) => None,
            (read, written) => Some((read.unwrap_or(0.0) + written.unwrap_or(0.0)) * MIB),
        };
        let memory = self.memory_mib.map(|rate| rate * MIB);
        let [min, mean, p95, max, _] = self.latency.map(|ms| Some(ms / 1e3));
        let events_per_second = self.cpu_rate.unwrap_or(self.events as f64 / self.total_time);
        [
            ("events_per_second", Some(events_per_second)),
            ("throughput", memory.or(files)),
            ("reads_per_second", self.reads),
            ("writes_per_second", self.writes),
            ("fsyncs_per_second", self.fsyncs),
            ("total_time", Some(self.total_time)),
            ("latency_min", min),
            ("latency_mean", mean),
            ("latency_p95", p95),
            ("latency_max", max),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|&value| value > 0.0)?)))
        .collect()
    }
}

/// The text after `key:` at the beginning of a line.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':').map(str::trim))
}

fn first_word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    value(text, key)?.split_ascii_whitespace().next()
}

/// The rate in `1024.00 MiB transferred (20431.12 MiB/sec)`.
fn transferred(line: &str) -> Option<f64> {
    line.split_once("MiB transferred (")?.1.strip_suffix("MiB/sec)")?.trim().parse().ok()
}
