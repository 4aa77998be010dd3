//! The sampler of the whole host: what disturbed the window from outside.
//!
//! Sources: proc_stat(5), proc_vmstat(5), Documentation/accounting/psi.rst, Documentation/scheduler/sched-stats.rst.

use crate::Closing;
use crate::meter::{
    self, Meter,
    MeterKind::{Counter, Last},
};
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{
    Better, Footprint, MetricDef, Reading, Sample, Sampler, SamplerError, Timestamp, Unavailable,
};
use rustix::param::clock_ticks_per_second;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) static METERS: &[Meter] = &[
    Meter::detail("host_cpu_user", "s", Counter),
    Meter::detail("host_cpu_system", "s", Counter),
    Meter::detail("host_cpu_steal", "s", Counter),
    Meter::detail("host_cpu_total", "s", Counter),
    Meter::detail("host_pressure_cpu", "s", Counter),
    Meter::detail("host_pressure_memory", "s", Counter),
    Meter::detail("host_pressure_io", "s", Counter),
    Meter::detail("host_major_faults", "1", Counter),
    Meter::detail("host_run_delay", "s", Counter),
    Meter::detail("host_run_time", "s", Counter),
    Meter::detail("host_context_switches", "1", Counter),
    Meter::detail("host_interrupts", "1", Counter),
    Meter::detail("host_softirqs", "1", Counter),
    Meter::detail("host_forks", "1", Counter),
    Meter::detail("host_faults", "1", Counter),
    Meter::detail("host_swapped_in", "1", Counter),
    Meter::detail("host_swapped_out", "1", Counter),
    Meter::detail("host_huge_faults", "1", Counter),
    Meter::detail("host_ksm_shared", "1", Last),
    Meter::detail("host_memory_available", "B", Last),
    Meter::detail("host_disk_read", "B", Counter),
    Meter::detail("host_disk_written", "B", Counter),
    Meter::detail("host_network_received", "B", Counter),
    Meter::detail("host_network_sent", "B", Counter),
];

/// Reads the host's counters, whatever the footprint: at the start and the end of a window only, since of a counter nothing
/// else is used and the window is not to be disturbed.
pub struct HostSampler {
    proc: PathBuf,
    sys: PathBuf,
    /// The group of all processes, whose CPU time version 1 counts exactly, not by ticks as `/proc/stat`.
    all: Option<Cgroup>,
    closing: Closing,
    has_begun: bool,
}

impl HostSampler {
    /// For the machine whose file systems are below `root`.
    pub fn new(root: &Path, closing: Closing) -> Result<Self, Unavailable> {
        let proc = root.join("proc");
        match fs::read_to_string(proc.join("stat")) {
            Ok(_) => {
                let hierarchies = Hierarchies::discover_in(root).ok();
                let all = hierarchies.map(|hierarchies| hierarchies.open(""));
                Ok(Self { proc, sys: root.join("sys"), all, closing, has_begun: false })
            }
            Err(error) => Err(Unavailable::new(
                format!("{} cannot be read: {error}", proc.join("stat").display()),
                "mount it: mount -t proc proc /proc",
            )),
        }
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.proc.join(file)).ok()
    }
}

impl Sampler for HostSampler {
    fn metrics(&self) -> Vec<MetricDef> {
        meter::defs(METERS)
    }

    fn read(&mut self, _: &Footprint, at: Timestamp, out: &mut Vec<Reading>) -> Result<(), SamplerError> {
        let is_end = !std::mem::replace(&mut self.has_begun, true) || self.closing.is_raised();
        if !is_end {
            return Ok(());
        }
        let stat = self.text("stat").unwrap_or_default();
        let cpu = cpu_seconds(&stat).ok_or_else(|| SamplerError {
            subject: self.proc.join("stat").display().to_string(),
            cause: "it has no line of all CPUs".to_owned(),
        })?;
        let pressure = |file| pressure_seconds(&self.text(file)?);
        let vmstat = self.text("vmstat").unwrap_or_default();
        let counted = |text: &str, name: &str| number_after(text, name).map(|count| count as f64);
        let disks = self.text("diskstats").as_deref().map(disk_bytes);
        let network = self.text("net/dev").as_deref().map(network_bytes);
        let values = [
            Some(cpu.user),
            Some(cpu.system),
            cpu.steal,
            Some(cpu.total),
            pressure("pressure/cpu"),
            pressure("pressure/memory"),
            pressure("pressure/io"),
            counted(&vmstat, "pgmajfault"),
            self.text("schedstat").as_deref().and_then(run_delay),
            self.all.as_ref().and_then(Cgroup::charged_cpu_ns).map(|ns| ns as f64 / 1e9),
            counted(&stat, "ctxt"),
            counted(&stat, "intr"),
            counted(&stat, "softirq"),
            counted(&stat, "processes"),
            counted(&vmstat, "pgfault"),
            counted(&vmstat, "pswpin"),
            counted(&vmstat, "pswpout"),
            counted(&vmstat, "thp_fault_alloc"),
            fs::read_to_string(self.sys.join("kernel/mm/ksm/pages_sharing"))
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            self.text("meminfo").and_then(|text| counted(&text, "MemAvailable:")).map(|kib| kib * 1024.0),
            disks.map(|(read, _)| read),
            disks.map(|(_, written)| written),
            network.map(|(received, _)| received),
            network.map(|(_, sent)| sent),
        ];
        let read = METERS.iter().zip(values).filter_map(|(meter, value)| {
            Some(Reading { at, metric: meter.def.name.clone(), role: None, value: value? })
        });
        out.extend(read);
        Ok(())
    }
}

/// What the host could give to a new program without swapping, B: `MemAvailable` of proc_meminfo(5).
pub fn memory_available() -> Option<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    number_after(&meminfo, "MemAvailable:").map(|kib| kib as f64 * 1024.0)
}

/// How much less the host can give at the end of a window than `before` its instance was made, as a sample. Whatever else began or
/// ended on the host meanwhile is in it; page cache that can be given back is not.
pub fn memory_taken(before: f64, window: &[Sample]) -> Option<Sample> {
    let left = window.iter().find(|sample| sample.metric.name == "host_memory_available")?;
    let metric = MetricDef::headline("host_memory_taken", "B", Better::Lower);
    Some(Sample { metric, role: None, value: before - left.value })
}

/// Time of all CPUs together.
struct CpuSeconds {
    /// In user mode, guests included.
    user: f64,
    /// In the kernel, interrupts included.
    system: f64,
    /// Taken by the hypervisor, as far as it tells.
    steal: Option<f64>,
    /// All of it, idle time included.
    total: f64,
}

/// Of the first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`, in ticks;
/// guest time is in user time already.
fn cpu_seconds(stat: &str) -> Option<CpuSeconds> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let hz = clock_ticks_per_second() as f64;
    let field: Vec<f64> = line
        .split_ascii_whitespace()
        .map(|word| word.parse::<u64>().ok().map(|n| n as f64 / hz))
        .collect::<Option<_>>()?;
    let get = |index: usize| field.get(index).copied();
    let sum = |indices: &[usize]| indices.iter().filter_map(|&index| get(index)).sum();
    get(3)?;
    Some(CpuSeconds {
        user: sum(&[0, 1]),
        system: sum(&[2, 5, 6]),
        steal: get(7),
        total: field.iter().take(8).sum(),
    })
}

/// `total` of the `some` line, in µs there.
fn pressure_seconds(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let total = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    total.parse::<u64>().ok().map(|us| us as f64 / 1e6)
}

/// The first number of the line that begins with this word.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let words = text.lines().map(str::split_ascii_whitespace);
    words.filter_map(|mut words| (words.next()? == name).then(|| words.next())?).next()?.parse().ok()
}

/// Bytes read from and written to whole disks, from sectors of 512 bytes (Documentation/admin-guide/iostats.rst). A partition's
/// are its disk's: its name is the disk's with more behind it. Loop devices and RAM disks are files and memory.
fn disk_bytes(diskstats: &str) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    let mut disk = "";
    for line in diskstats.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, _, name, _, _, read, _, _, _, written, ..] = words[..] else { continue };
        let is_part = name.strip_prefix(disk).is_some_and(|part| {
            !disk.is_empty() && part.trim_start_matches('p').bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_part || ["loop", "ram", "zram", "dm-", "md"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        disk = name;
        let bytes = |sectors: &str| sectors.parse::<u64>().unwrap_or(0) as f64 * 512.0;
        sums = (sums.0 + bytes(read), sums.1 + bytes(written));
    }
    sums
}

/// Bytes received and sent by all interfaces but the loopback: proc_pid_net(5), `dev`.
fn network_bytes(dev: &str) -> (f64, f64) {
    let interfaces =
        dev.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    interfaces.fold((0.0, 0.0), |sums, (_, counts)| {
        let counts: Vec<f64> = counts.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        let at = |place: usize| counts.get(place).copied().unwrap_or(0.0);
        (sums.0 + at(0), sums.1 + at(8))
    })
}

/// Sum over CPUs of the eighth number of lines `cpuN …`: how long tasks waited to run there, ns.
fn run_delay(schedstat: &str) -> Option<f64> {
    let of_cpu = |line: &str| line.split_ascii_whitespace().nth(8)?.parse::<u64>().ok();
    let cpus = schedstat.lines().filter(|line| line.starts_with("cpu")).map(of_cpu);
    let sum = cpus.reduce(|sum, one| Some(sum?.saturating_add(one?)))??;
    Some(sum as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_host_is_read_and_what_it_lacks_is_absent() {
        let root = tempfile::tempdir().expect("temporary folder");
        assert!(HostSampler::new(root.path(), Closing::default()).is_err());
        fs::create_dir_all(root.path().join("proc/pressure")).expect("folder");
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).expect("file");
        write("proc/stat", "cpu  100 20 30 400 5 6 7 8 9 0\ncpu0 1 1 1 1 1 1 1 1 1 0\nctxt 7\n");
        write("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   2 kB\n");
        let disks =
            " 7 0 loop0 9 9 9 9 9 9 9 9\n 254 0 vda 1 0 2 0 1 0 3 0 0 0\n 254 1 vda1 1 0 2 0 1 0 3 0 0 0\n";
        write("proc/diskstats", disks);
        fs::create_dir_all(root.path().join("proc/net")).expect("folder");
        write("proc/net/dev", "Inter-| Receive\n lo: 1 1 1 1 1 1 1 1 1 1\neth0: 5 1 1 1 1 1 1 1 6 1\n");
        write("proc/pressure/io", "some avg10=0.00 avg60=0.35 avg300=0.48 total=7478997\n");
        write("proc/vmstat", "pgfault 12\npgmajfault 34\n");
        let mut out = Vec::new();
        let mut sampler = HostSampler::new(root.path(), Closing::default()).expect("there is /proc/stat");
        sampler.read(&Footprint::default(), Timestamp(1), &mut out).expect("readable");
        let hz = clock_ticks_per_second() as f64;
        let found: Vec<_> = out.iter().map(|r| (&*r.metric, r.value)).collect();
        let expect = [
            ("host_cpu_user", 120.0 / hz),
            ("host_cpu_system", 43.0 / hz),
            ("host_cpu_steal", 8.0 / hz),
            ("host_cpu_total", 576.0 / hz),
            ("host_pressure_io", 7.478997),
            ("host_major_faults", 34.0),
            ("host_context_switches", 7.0),
            ("host_faults", 12.0),
            ("host_memory_available", 2048.0),
            ("host_disk_read", 1024.0),
            ("host_disk_written", 1536.0),
            ("host_network_received", 5.0),
            ("host_network_sent", 6.0),
        ];
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.0 == expect.0 && (found.1 - expect.1).abs() < 1e-9, "{found:?} {expect:?}");
        }
    }
    #[test]
    fn run_delay_is_summed_over_cpus_and_read_at_both_ends() {
        let root = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(root.path().join("proc")).expect("folder");
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).expect("file");
        write("proc/stat", "cpu  100 20 30 400 5 6 7 8 9 0\n");
        let schedstat = "version 17\ntimestamp 4294937296\ncpu0 0 0 0 0 0 0 92000 1500000000 312\n\
                         domain0 MC 03 1 2 3 4 5 6 7 8 9\ncpu1 0 0 0 0 0 0 11000 500000000 99\n";
        write("proc/schedstat", schedstat);
        let closing = Closing::default();
        let mut sampler = HostSampler::new(root.path(), closing.clone()).expect("there is /proc/stat");
        let mut read = || {
            let mut out = Vec::new();
            sampler.read(&Footprint::default(), Timestamp(1), &mut out).expect("readable");
            out.into_iter().find(|reading| reading.metric == "host_run_delay").map(|reading| reading.value)
        };
        assert_eq!((read(), read()), (Some(2.0), None));
        closing.raise();
        assert_eq!(read(), Some(2.0));
        assert_eq!((run_delay("version 15\n"), run_delay("cpu0 1 2\n")), (None, None));
    }
}
