//! Recorded noise: one program that ran thousands of times in a row, natively, on a shared machine. If such a
//! series is split into two parts, every difference between them is false.

/// A recorded series.
pub struct Trace {
    /// The program, and the other load.
    pub name: &'static str,
    /// Run times in order, s.
    pub seconds: Vec<f64>,
}

/// Every series: start (s, monotonic clock) and run time (s), tab separated. `cpu` an integer loop, `mem` a
/// pointer walk over 32 MiB, `syscall` create, write, read and close of a file in memory; without other load,
/// or with spinners that start and stop. Recorded on a 2-core cloud guest.
const RECORDED: [(&str, &str); 5] = [
    ("cpu, quiet", include_str!("../traces/cpu-quiet.tsv")),
    ("mem, quiet", include_str!("../traces/mem-quiet.tsv")),
    ("syscall, quiet", include_str!("../traces/syscall-quiet.tsv")),
    ("cpu, busy", include_str!("../traces/cpu-busy.tsv")),
    ("syscall, busy", include_str!("../traces/syscall-busy.tsv")),
];

/// Reads them.
pub fn traces() -> Vec<Trace> {
    let seconds = |line: &str| line.split('\t').nth(1)?.trim().parse().ok();
    let read = |(name, text): (&'static str, &str)| Trace {
        name,
        seconds: text.lines().filter_map(seconds).collect(),
    };
    RECORDED.map(read).into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_of_a_trace_is_read() {
        let counts: Vec<usize> = super::traces().iter().map(|trace| trace.seconds.len()).collect();
        assert_eq!(counts, [5000, 4000, 5000, 4000, 4000]);
        assert!(super::traces().iter().all(|trace| trace.seconds.iter().all(|s| (0.001..10.0).contains(s))));
    }
}
