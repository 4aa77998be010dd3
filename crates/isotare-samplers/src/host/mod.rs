//! The sampler of the whole host. It shows disturbances from outside.
//!
//! Sources: proc_stat(5), proc_vmstat(5), Documentation/accounting/psi.rst,
//! Documentation/scheduler/sched-stats.rst.

mod kernel_threads;
mod text;

use crate::Closing;
use crate::meter::{
    Meter,
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
    Meter::detail("host_disk_busy", "s", Counter),
    Meter::detail("host_kvm_exits", "1", Counter),
];

/// Reads the host's counters, for any footprint. It reads only at the start and at the end of a window,
/// because only these readings of a counter are used and more readings would disturb the window.
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
    fn read(&mut self, _: &Footprint, at: Timestamp, out: &mut Vec<Reading>) -> Result<(), SamplerError> {
        let is_end = !std::mem::replace(&mut self.has_begun, true) || self.closing.is_raised();
        if !is_end {
            return Ok(());
        }
        let stat = self.text("stat").unwrap_or_default();
        let cpu = text::cpu_seconds(&stat).ok_or_else(|| SamplerError {
            subject: self.proc.join("stat").display().to_string(),
            source: "it has no line for all CPUs".into(),
        })?;
        let mut tell = |metric: Cow<'static, str>, value: Option<f64>| {
            out.extend(value.map(|value| Reading { at, metric, role: None, value }));
        };
        let kernel_threads = self.kernel_threads.as_mut().and_then(KernelThreads::run_time);
        tell("host_kernel_threads".into(), kernel_threads);
        self.read_cpus(at, &cpu, &mut tell);
        self.read_counts(&stat, &mut tell);
        self.read_pressure(&mut tell);
        self.read_disks(&mut tell);
        self.read_interfaces(&mut tell);
        Ok(())
    }
}

/// Takes a metric and its value, if there is one.
type Tell<'a> = &'a mut dyn FnMut(Cow<'static, str>, Option<f64>);

impl HostSampler {
    fn read_cpus(&self, at: Timestamp, cpu: &text::CpuSeconds, tell: Tell<'_>) {
        let charged = self.all.as_ref().and_then(Cgroup::charged_cpu_ns).map(|ns| ns as f64 / 1e9);
        tell("host_cpu_user".into(), Some(cpu.user));
        tell("host_cpu_system".into(), Some(cpu.system));
        tell("host_cpu_steal".into(), cpu.steal);
        tell("host_cpu_total".into(), Some(cpu.total));
        tell("host_run_time".into(), charged.or_else(|| busy(at, cpu)));
        tell("host_run_delay".into(), self.text("schedstat").as_deref().and_then(text::run_delay));
    }

    fn read_counts(&self, stat: &str, tell: Tell<'_>) {
        let vmstat = self.text("vmstat").unwrap_or_default();
        let of_file = [
            (stat, "host_context_switches", "ctxt"),
            (stat, "host_interrupts", "intr"),
            (stat, "host_softirqs", "softirq"),
            (stat, "host_forks", "processes"),
            (&vmstat, "host_faults", "pgfault"),
            (&vmstat, "host_major_faults", "pgmajfault"),
            (&vmstat, "host_swapped_in", "pswpin"),
            (&vmstat, "host_swapped_out", "pswpout"),
            (&vmstat, "host_huge_faults", "thp_fault_alloc"),
        ];
        for (text, metric, name) in of_file {
            tell(metric.into(), text::number_after(text, name).map(|count| count as f64));
        }
        for (kind, count) in text::softirqs(&self.text("softirqs").unwrap_or_default()) {
            tell(part("host_softirqs", &kind), Some(count));
        }
        let shared = fs::read_to_string(self.sys.join("kernel/mm/ksm/pages_sharing")).ok();
        tell("host_ksm_shared".into(), shared.and_then(|text| text.trim().parse().ok()));
        tell("host_kvm_exits".into(), kvm_exits(&self.sys).ok());
        let available = self.text("meminfo").and_then(|text| text::number_after(&text, "MemAvailable:"));
        tell("host_memory_available".into(), available.map(|kib| kib as f64 * 1024.0));
    }

    fn read_pressure(&self, tell: Tell<'_>) {
        for (metric, file, line) in [
            ("host_pressure_cpu", "pressure/cpu", "some"),
            ("host_pressure_memory", "pressure/memory", "some"),
            ("host_pressure_memory_full", "pressure/memory", "full"),
            ("host_pressure_io", "pressure/io", "some"),
            ("host_pressure_io_full", "pressure/io", "full"),
        ] {
            let seconds = self.text(file).and_then(|text| text::pressure_seconds(&text, line));
            tell(metric.into(), seconds);
        }
    }

    fn read_disks(&self, tell: Tell<'_>) {
        let Some(diskstats) = self.text("diskstats") else { return };
        let disks = text::disks(&diskstats);
        tell("host_disk_read".into(), Some(disks.iter().map(|disk| disk.read).sum()));
        tell("host_disk_written".into(), Some(disks.iter().map(|disk| disk.written).sum()));
        for disk in disks {
            tell(part("host_disk_read", disk.name), Some(disk.read));
            tell(part("host_disk_written", disk.name), Some(disk.written));
            tell(part("host_disk_busy", disk.name), Some(disk.busy));
        }
    }

    fn read_interfaces(&self, tell: Tell<'_>) {
        let Some(dev) = self.text("net/dev") else { return };
        let interfaces = text::interfaces(&dev);
        let others = || interfaces.iter().filter(|interface| interface.name != "lo");
        tell("host_network_received".into(), Some(others().map(|interface| interface.received).sum()));
        tell("host_network_sent".into(), Some(others().map(|interface| interface.sent).sum()));
        for interface in &interfaces {
            tell(part("host_network_received", interface.name), Some(interface.received));
            tell(part("host_network_sent", interface.name), Some(interface.sent));
        }
    }
}

/// How long CPUs have been busy since some moment, s: all time minus idle time and the time that the
/// hypervisor took. So interrupts are included. It is exact to one or two ticks. A sum of busy ticks would be
/// less exact, because ticks only sample what is running.
fn busy(at: Timestamp, cpu: &text::CpuSeconds) -> Option<f64> {
    // A sandbox may show a file of zeros.
    (cpu.cpus > 0 && cpu.idle > 0.0)
        .then(|| at.0 as f64 / 1e9 * cpu.cpus as f64 - cpu.idle - cpu.steal.unwrap_or(0.0))
}

/// Number of KVM exits of all guests. An error says why it is not known.
pub(crate) fn kvm_exits(sys: &Path) -> Result<f64, String> {
    let file = sys.join("kernel/debug/kvm/exits");
    let text = fs::read_to_string(&file).map_err(|error| {
        format!(
            "{} cannot be read ({error}): KVM is not loaded, debugfs is not mounted, or isotare does not run \
             as root",
            file.display()
        )
    })?;
    text.trim().parse().map_err(|_| format!("{} does not contain a number: {}", file.display(), text.trim()))
}

/// Memory that a new program could get without swapping, B: `MemAvailable` of proc_meminfo(5).
pub fn memory_available() -> Option<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    text::number_after(&meminfo, "MemAvailable:").map(|kib| kib as f64 * 1024.0)
}

/// How much less memory is available at the end of a window than `before` its instance was created, as a
/// sample. Other programs that started or ended on the host meanwhile are included; page cache that can be
/// freed is not.
pub fn memory_taken(before: f64, window: &[Sample]) -> Option<Sample> {
    let left = window.iter().find(|sample| sample.metric.name == "host_memory_available")?;
    let metric = MetricDef::headline("host_memory_taken", "B", Better::Lower);
    Some(Sample::of_sampler(metric, None, before - left.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::param::clock_ticks_per_second;

    #[test]
    fn a_recorded_host_is_read_and_missing_values_are_left_out() {
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
        let known = |reading: &Reading| METERS.iter().any(|meter| meter.is_of(&reading.metric));
        assert!(out.iter().all(known), "{out:?}");
        let found: std::collections::BTreeMap<_, _> = out.iter().map(|r| (&*r.metric, r.value)).collect();
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
        for (metric, value) in expect {
            let found = found.get(metric).unwrap_or_else(|| panic!("{metric} in {out:?}"));
            assert!((found - value).abs() < 1e-9, "{metric}: {found} {value}");
        }
    }
    #[test]
    fn run_delay_is_summed_over_cpus_and_read_at_begin_and_end() {
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
