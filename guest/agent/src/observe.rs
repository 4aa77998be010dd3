//! Readings of the instance's own counters while a job is measured.

use crate::clock;
use isotare_core::{CpuSet, Footprint, Member, Reading, Role, Timestamp};
use isotare_protocol::{Observation, Observed};
use isotare_samplers::{Samplers, meters, summarise};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that reads the counters; without an interval, none.
pub struct Observer {
    thread: Option<(Sender<()>, JoinHandle<Observed>)>,
}

impl Observer {
    /// Begins: everything is read once before this returns, so that nothing of it falls into the work.
    pub fn start(every_ms: Option<u32>) -> Result<Self, String> {
        let Some(every) = every_ms else { return Ok(Self { thread: None }) };
        let every = Duration::from_millis(u64::from(every.max(1)));
        let (stop, stopped) = channel();
        let counters = Counters::open();
        let mut readings = vec![read()];
        let body = move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                readings.push(read());
            }
            readings.push(read());
            Observed { readings, counters: counters.finish() }
        };
        let named = std::thread::Builder::new().name("observe".into()).stack_size(256 << 10);
        let thread = named.spawn(body).map_err(|e| format!("start the observing thread: {e}"))?;
        Ok(Self { thread: Some((stop, thread)) })
    }

    /// Ends, with one last reading.
    pub fn finish(self) -> Observed {
        let Some((stop, thread)) = self.thread else { return Observed::default() };
        drop(stop);
        thread.join().unwrap_or_default()
    }
}

/// What the host's samplers read of an instance, read inside it: of its processes and of all that its kernel
/// counts.
struct Counters {
    samplers: Samplers,
    readings: Vec<Reading>,
}

impl Counters {
    /// Reads a first time.
    fn open() -> Self {
        let cpus = std::thread::available_parallelism().ok().and_then(|cpus| u32::try_from(cpus.get()).ok());
        let samplers = CpuSet::new(0..cpus.unwrap_or(1)).map(|cpus| Samplers::all_that_work(&cpus));
        let mut counters = Self { samplers: samplers.unwrap_or_default(), readings: Vec::new() };
        counters.read();
        counters
    }

    fn read(&mut self) {
        let own = Member::new(Role::Workload, std::process::id());
        let footprint = Footprint { members: vec![own], cgroup: None };
        let at = Timestamp(clock::now_ns());
        for sampler in &mut self.samplers.list {
            // What cannot be read is absent.
            let _unreadable = sampler.read(&footprint, at, &mut self.readings);
        }
    }

    /// Reads a last time and returns the values.
    fn finish(mut self) -> Vec<(String, f64)> {
        self.samplers.closing.raise();
        self.read();
        let samples = summarise(&self.readings, &meters());
        let whole = samples.into_iter().filter(|sample| sample.role.is_none());
        whole.map(|sample| (sample.metric.name.into_owned(), sample.value)).collect()
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
