//! Readings of the guest's own counters while a job is measured.

use crate::clock;
use isotare_protocol::Observation;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that reads the counters; without an interval, none.
pub struct Observer {
    thread: Option<(Sender<()>, JoinHandle<Vec<Observation>>)>,
}

impl Observer {
    /// Begins: the first reading is taken at once.
    pub fn start(every_ms: Option<u32>) -> Result<Self, String> {
        let Some(every) = every_ms else { return Ok(Self { thread: None }) };
        let every = Duration::from_millis(u64::from(every.max(1)));
        let (stop, stopped) = channel();
        let body = move || {
            let mut readings = vec![read()];
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                readings.push(read());
            }
            readings.push(read());
            readings
        };
        let named = std::thread::Builder::new().name("observe".into()).stack_size(256 << 10);
        let thread = named.spawn(body).map_err(|e| format!("start the observing thread: {e}"))?;
        Ok(Self { thread: Some((stop, thread)) })
    }

    /// Ends, with one last reading.
    pub fn finish(self) -> Vec<Observation> {
        let Some((stop, thread)) = self.thread else { return Vec::new() };
        drop(stop);
        thread.join().unwrap_or_default()
    }
}

fn read() -> Observation {
    let at_ns = clock::now_ns();
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse(at_ns, &stat, &memory, rustix::param::clock_ticks_per_second())
}

fn parse(at_ns: u64, stat: &str, memory: &str, ticks_per_second: u64) -> Observation {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or("");
    let ticks: Vec<u64> = line.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    let sum = |columns: &[usize]| {
        let ticks: u64 = columns.iter().filter_map(|&column| ticks.get(column)).sum();
        ticks * (1_000_000_000 / ticks_per_second.max(1))
    };
    Observation {
        at_ns,
        user_ns: sum(&[0, 1]),
        system_ns: sum(&[2, 5, 6]),
        steal_ns: sum(&[7]),
        memory_available: memory_field(memory, "MemAvailable:"),
    }
}

/// A field of `/proc/meminfo`, bytes.
pub fn memory_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?;
    Some(value.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_time_and_an_absent_field_stays_absent() {
        let stat = "cpu  10 5 20 900 3 1 2 7 0 0\ncpu0 1 1 1 1\n";
        let seen = parse(9, stat, "MemTotal: 8 kB\nMemAvailable:   4 kB\n", 100);
        assert_eq!((seen.user_ns, seen.system_ns, seen.steal_ns), (150_000_000, 230_000_000, 70_000_000));
        assert_eq!(seen.memory_available, Some(4096));
        assert_eq!(parse(9, "", "", 100), Observation { at_ns: 9, ..Observation::default() });
    }
}
