//! The sampler of the whole host: what disturbed the window from outside.
//!
//! Sources: proc_stat(5), proc_vmstat(5), Documentation/accounting/psi.rst, Documentation/scheduler/sched-stats.rst.

mod kernel_threads;
mod text;

use crate::Closing;
use crate::meter::{
    self, Meter,
    MeterKind::{Counter, Last},
};
use crate::process::files::ProcFiles;
use crate::window::part;
use isotare_cgroup::{Cgroup, Hierarchies};
use isotare_core::{
    Better, Footprint, MetricDef, Reading, Sample, Sampler, SamplerError, Timestamp, Unavailable,
};
use kernel_threads::KernelThreads;
use std::borrow::Cow;
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
    Meter::detail("host_pressure_memory_full", "s", Counter),
    Meter::detail("host_pressure_io_full", "s", Counter),
    Meter::detail("host_kernel_threads", "s", Counter),
    Meter::detail(DISK_BUSY, "s", Counter),
];

/// Of each disk only.
const DISK_BUSY: &str = "host_disk_busy";

/// Reads the host's counters, whatever the footprint: at the start and the end of a window only, since of a counter nothing
/// else is used and the window is not to be disturbed.
pub struct HostSampler {
    proc: PathBuf,
    sys: PathBuf,
    /// The group of all processes, whose CPU time version 1 counts exactly.
    all: Option<Cgroup>,
    kernel_threads: Option<KernelThreads>,
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
                let kernel_threads = ProcFiles::open(root).ok().map(KernelThreads::new);
                Ok(Self { proc, sys: root.join("sys"), all, kernel_threads, closing, has_begun: false })
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
        let cpu = text::cpu_seconds(&stat).ok_or_else(|| SamplerError {
            subject: self.proc.join("stat").display().to_string(),
            cause: "it has no line of all CPUs".to_owned(),
        })?;
        let charged = self.all.as_ref().and_then(Cgroup::charged_cpu_ns).map(|ns| ns as f64 / 1e9);
        let pressure = |file, line| text::pressure_seconds(&self.text(file)?, line);
        let vmstat = self.text("vmstat").unwrap_or_default();
        let counted = |text: &str, name: &str| text::number_after(text, name).map(|count| count as f64);
        let (diskstats, dev) = (self.text("diskstats"), self.text("net/dev"));
        let disks = diskstats.as_deref().map(text::disks);
        let interfaces = dev.as_deref().map(text::interfaces);
        let of_disks =
            |bytes: fn(&text::Disk<'_>) -> f64| disks.as_ref().map(|all| all.iter().map(bytes).sum());
        let of_links = |bytes: fn(&(&str, f64, f64)) -> f64| {
            let others = interfaces.as_ref().map(|all| all.iter().filter(|(name, _, _)| *name != "lo"));
            others.map(|others| others.map(bytes).sum())
        };
        let values = [
            Some(cpu.user),
            Some(cpu.system),
            cpu.steal,
            Some(cpu.total),
            pressure("pressure/cpu", "some"),
            pressure("pressure/memory", "some"),
            pressure("pressure/io", "some"),
            counted(&vmstat, "pgmajfault"),
            self.text("schedstat").as_deref().and_then(text::run_delay),
            charged.or_else(|| busy(at, &cpu)),
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
            of_disks(|disk| disk.read),
            of_disks(|disk| disk.written),
            of_links(|(_, received, _)| *received),
            of_links(|(_, _, sent)| *sent),
            pressure("pressure/memory", "full"),
            pressure("pressure/io", "full"),
            self.kernel_threads.as_mut().and_then(KernelThreads::run_time),
        ];
        let whole = METERS.iter().map(|meter| meter.def.name.clone()).zip(values);
        let mut read: Vec<(Cow<'static, str>, Option<f64>)> = whole.collect();
        for disk in disks.iter().flatten() {
            read.push((part("host_disk_read", disk.name), Some(disk.read)));
            read.push((part("host_disk_written", disk.name), Some(disk.written)));
            read.push((part(DISK_BUSY, disk.name), Some(disk.busy)));
        }
        for (name, received, sent) in interfaces.iter().flatten() {
            read.push((part("host_network_received", name), Some(*received)));
            read.push((part("host_network_sent", name), Some(*sent)));
        }
        for (kind, count) in text::softirqs(&self.text("softirqs").unwrap_or_default()) {
            read.push((part("host_softirqs", &kind), Some(count)));
        }
        let told = |(metric, value)| Some(Reading { at, metric, role: None, value: value? });
        out.extend(read.into_iter().filter_map(told));
        Ok(())
    }
}

/// How long CPUs have been busy since some moment, s: all the time there was but idle time and what the hypervisor took, so
/// interrupts are in it. Good to a tick or two, where sums of busy ticks are good to what those happen to meet.
fn busy(at: Timestamp, cpu: &text::CpuSeconds) -> Option<f64> {
    // A sandbox may show a file of zeros.
    (cpu.cpus > 0 && cpu.idle > 0.0)
        .then(|| at.0 as f64 / 1e9 * cpu.cpus as f64 - cpu.idle - cpu.steal.unwrap_or(0.0))
}

/// What the host could give to a new program without swapping, B: `MemAvailable` of proc_meminfo(5).
pub fn memory_available() -> Option<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    text::number_after(&meminfo, "MemAvailable:").map(|kib| kib as f64 * 1024.0)
}

/// How much less the host can give at the end of a window than `before` its instance was made, as a sample. Whatever else began or
/// ended on the host meanwhile is in it; page cache that can be given back is not.
pub fn memory_taken(before: f64, window: &[Sample]) -> Option<Sample> {
    let left = window.iter().find(|sample| sample.metric.name == "host_memory_available")?;
    let metric = MetricDef::headline("host_memory_taken", "B", Better::Lower);
    Some(Sample { metric, role: None, value: before - left.value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::param::clock_ticks_per_second;

    #[test]
    fn a_fake_host_is_read_and_what_it_lacks_is_absent() {
        let root = tempfile::tempdir().expect("temporary folder");
        assert!(HostSampler::new(root.path(), Closing::default()).is_err());
        fs::create_dir_all(root.path().join("proc/pressure")).expect("folder");
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).expect("file");
        write("proc/stat", "cpu  100 20 30 400 5 6 7 8 9 0\ncpu0 1 1 1 1 1 1 1 1 1 0\nctxt 7\n");
        write("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   2 kB\n");
        let disks = " 7 0 loop0 9 9 9 9 9 9 9 9 9 9 9\n 254 0 vda 1 0 2 0 1 0 3 0 0 40 0\n 254 1 vda1 1 0 2 0 1 0 3 0 0 30 0\n";
        write("proc/diskstats", disks);
        fs::create_dir_all(root.path().join("proc/net")).expect("folder");
        write("proc/net/dev", "Inter-| Receive\n lo: 1 1 1 1 1 1 1 1 1 1\neth0: 5 1 1 1 1 1 1 1 6 1\n");
        write(
            "proc/pressure/io",
            "some avg10=0.00 avg60=0.35 avg300=0.48 total=7478997\nfull total=1000000\n",
        );
        write("proc/softirqs", "     CPU0 CPU1\n NET_RX:  3 4\n");
        write("proc/vmstat", "pgfault 12\npgmajfault 34\n");
        let mut out = Vec::new();
        let mut sampler = HostSampler::new(root.path(), Closing::default()).expect("there is /proc/stat");
        sampler.read(&Footprint::default(), Timestamp(2_000_000_000), &mut out).expect("readable");
        let hz = clock_ticks_per_second() as f64;
        let found: Vec<_> = out.iter().map(|r| (&*r.metric, r.value)).collect();
        let expect = [
            ("host_cpu_user", 120.0 / hz),
            ("host_cpu_system", 43.0 / hz),
            ("host_cpu_steal", 8.0 / hz),
            ("host_cpu_total", 576.0 / hz),
            ("host_pressure_io", 7.478997),
            ("host_major_faults", 34.0),
            ("host_run_time", 2.0 - 405.0 / hz - 8.0 / hz),
            ("host_context_switches", 7.0),
            ("host_faults", 12.0),
            ("host_memory_available", 2048.0),
            ("host_disk_read", 1024.0),
            ("host_disk_written", 1536.0),
            ("host_network_received", 5.0),
            ("host_network_sent", 6.0),
            ("host_pressure_io_full", 1.0),
            ("host_disk_read[vda]", 1024.0),
            ("host_disk_written[vda]", 1536.0),
            ("host_disk_busy[vda]", 0.04),
            ("host_network_received[lo]", 1.0),
            ("host_network_sent[lo]", 1.0),
            ("host_network_received[eth0]", 5.0),
            ("host_network_sent[eth0]", 6.0),
            ("host_softirqs[net_rx]", 7.0),
        ];
        assert_eq!(found.len(), expect.len(), "{found:?}");
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
        assert_eq!((text::run_delay("version 15\n"), text::run_delay("cpu0 1 2\n")), (None, None));
    }
}
