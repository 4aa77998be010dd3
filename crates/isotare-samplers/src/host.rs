//! The sampler of the whole host: what disturbed the window from outside.
//!
//! Sources: proc_stat(5), proc_vmstat(5), Documentation/accounting/psi.rst.

use crate::meter::{self, Meter, MeterKind::Counter};
use isotare_core::{Footprint, MetricDef, Reading, Sampler, SamplerError, Timestamp, Unavailable};
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
];

/// Reads the host's counters, whatever the footprint.
pub struct HostSampler {
    proc: PathBuf,
}

impl HostSampler {
    /// For the machine whose file systems are below `root`.
    pub fn new(root: &Path) -> Result<Self, Unavailable> {
        let proc = root.join("proc");
        match fs::read_to_string(proc.join("stat")) {
            Ok(_) => Ok(Self { proc }),
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
        let cpu = self.text("stat").as_deref().and_then(cpu_seconds).ok_or_else(|| SamplerError {
            subject: self.proc.join("stat").display().to_string(),
            cause: "it has no line of all CPUs".to_owned(),
        })?;
        let pressure = |file| pressure_seconds(&self.text(file)?);
        let values = [
            Some(cpu.user),
            Some(cpu.system),
            cpu.steal,
            Some(cpu.total),
            pressure("pressure/cpu"),
            pressure("pressure/memory"),
            pressure("pressure/io"),
            self.text("vmstat").as_deref().and_then(major_faults),
        ];
        let read = METERS.iter().zip(values).filter_map(|(meter, value)| {
            Some(Reading { at, metric: meter.def.name.to_string(), role: None, value: value? })
        });
        out.extend(read);
        Ok(())
    }
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

fn major_faults(vmstat: &str) -> Option<f64> {
    let line = vmstat.lines().find_map(|line| line.strip_prefix("pgmajfault "))?;
    line.trim().parse::<u64>().ok().map(|faults| faults as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_host_is_read_and_what_it_lacks_is_absent() {
        let root = tempfile::tempdir().expect("temporary folder");
        assert!(HostSampler::new(root.path()).is_err());
        fs::create_dir_all(root.path().join("proc/pressure")).expect("folder");
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).expect("file");
        write("proc/stat", "cpu  100 20 30 400 5 6 7 8 9 0\ncpu0 1 1 1 1 1 1 1 1 1 0\n");
        write("proc/pressure/io", "some avg10=0.00 avg60=0.35 avg300=0.48 total=7478997\n");
        write("proc/vmstat", "pgfault 12\npgmajfault 34\n");
        let mut out = Vec::new();
        let mut sampler = HostSampler::new(root.path()).expect("there is /proc/stat");
        sampler.read(&Footprint::default(), Timestamp(1), &mut out).expect("readable");
        let hz = clock_ticks_per_second() as f64;
        let found: Vec<_> = out.iter().map(|r| (r.metric.as_str(), r.value)).collect();
        let expect = [
            ("host_cpu_user", 120.0 / hz),
            ("host_cpu_system", 43.0 / hz),
            ("host_cpu_steal", 8.0 / hz),
            ("host_cpu_total", 576.0 / hz),
            ("host_pressure_io", 7.478997),
            ("host_major_faults", 34.0),
        ];
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.0 == expect.0 && (found.1 - expect.1).abs() < 1e-9, "{found:?} {expect:?}");
        }
    }
}
