//! The resources that a group has used, from all files that exist.
//!
//! Sources: cgroup-v1/{cpuacct,memory,blkio-controller}.rst and admin-guide/cgroup-v2.rst of the kernel's
//! documentation; `cpu.stat` of version 1: scheduler/sched-bwc.rst. Where a hybrid host offers both, version
//! 1 wins for what its controllers count, and pressure comes from version 2, which alone has it.

use crate::{Cgroup, files};
use rustix::param::clock_ticks_per_second;
use std::path::Path;

/// The resources that a group and the groups below it have used since it was created. Absent: this host does
/// not report it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupStats {
    /// CPU time, exact.
    pub cpu_total_ns: Option<u64>,
    /// Part of it in user mode; sampled at ticks and scaled, in steps of 10 ms on version 1.
    pub cpu_user_ns: Option<u64>,
    /// Part of it in the kernel; sampled likewise.
    pub cpu_system_ns: Option<u64>,
    /// Number of periods in which a CPU quota throttled it; on version 1, only of the group itself.
    pub throttled_periods: Option<u64>,
    /// How long a CPU quota throttled it.
    pub throttled_ns: Option<u64>,
    /// Memory charged now, page cache included.
    pub memory_current: Option<u64>,
    /// Most memory charged ever; version 2 tells since Linux 5.19.
    pub memory_peak: Option<u64>,
    /// Anonymous memory now.
    pub memory_rss: Option<u64>,
    /// Page cache now.
    pub memory_file: Option<u64>,
    /// Bytes read from block devices.
    pub io_read_bytes: Option<u64>,
    /// Bytes written to block devices; version 1 misses most write-back.
    pub io_write_bytes: Option<u64>,
    /// Time in which some task waited for a CPU; version 2.
    pub pressure_cpu_us: Option<u64>,
    /// Time in which some task waited for memory; version 2.
    pub pressure_memory_us: Option<u64>,
    /// Time in which some task waited for I/O; version 2.
    pub pressure_io_us: Option<u64>,
    /// Processes that were killed because the memory limit was reached; of the group alone.
    pub oom_kills: Option<u64>,
    /// Tasks now.
    pub pids_current: Option<u64>,
}

/// Reads every file there is.
pub(crate) fn read(group: &Cgroup) -> CgroupStats {
    let v2 = group.v2.as_deref().map(read_v2).unwrap_or_default();
    let v1 = if group.v1.is_empty() { CgroupStats::default() } else { read_v1(group) };
    // The split must come from where the total comes from.
    let cpu = if v1.cpu_total_ns.is_some() { &v1 } else { &v2 };
    CgroupStats {
        cpu_total_ns: cpu.cpu_total_ns,
        cpu_user_ns: cpu.cpu_user_ns,
        cpu_system_ns: cpu.cpu_system_ns,
        throttled_periods: v1.throttled_periods.or(v2.throttled_periods),
        throttled_ns: v1.throttled_ns.or(v2.throttled_ns),
        memory_current: v1.memory_current.or(v2.memory_current),
        memory_peak: v1.memory_peak.or(v2.memory_peak),
        memory_rss: v1.memory_rss.or(v2.memory_rss),
        memory_file: v1.memory_file.or(v2.memory_file),
        io_read_bytes: v1.io_read_bytes.or(v2.io_read_bytes),
        io_write_bytes: v1.io_write_bytes.or(v2.io_write_bytes),
        pressure_cpu_us: v2.pressure_cpu_us,
        pressure_memory_us: v2.pressure_memory_us,
        pressure_io_us: v2.pressure_io_us,
        oom_kills: v1.oom_kills.or(v2.oom_kills),
        pids_current: v1.pids_current.or(v2.pids_current),
    }
}

fn text(dir: Option<&Path>, file: &str) -> Option<String> {
    files::read(&dir?.join(file)).ok()
}

fn single(dir: Option<&Path>, file: &str) -> Option<u64> {
    files::number(&text(dir, file)?)
}

pub(crate) fn charged_cpu_ns(group: &Cgroup) -> Option<u64> {
    single(group.v1_dir("cpuacct"), "cpuacct.usage")
}

fn read_v1(group: &Cgroup) -> CgroupStats {
    let (cpu, cpuacct) = (group.v1_dir("cpu"), group.v1_dir("cpuacct"));
    let (memory, blkio) = (group.v1_dir("memory"), group.v1_dir("blkio"));
    let ticks = text(cpuacct, "cpuacct.stat").unwrap_or_default();
    let tick_ns = 1_000_000_000 / clock_ticks_per_second().max(1);
    let quota = text(cpu, "cpu.stat").unwrap_or_default();
    let memory_stat = text(memory, "memory.stat").unwrap_or_default();
    let io = text(blkio, "blkio.throttle.io_service_bytes_recursive");
    let io = io.or_else(|| text(blkio, "blkio.throttle.io_service_bytes"));
    CgroupStats {
        cpu_total_ns: charged_cpu_ns(group),
        cpu_user_ns: files::keyed(&ticks, "user").map(|ticks| ticks * tick_ns),
        cpu_system_ns: files::keyed(&ticks, "system").map(|ticks| ticks * tick_ns),
        throttled_periods: files::keyed(&quota, "nr_throttled"),
        throttled_ns: files::keyed(&quota, "throttled_time"),
        memory_current: single(memory, "memory.usage_in_bytes"),
        memory_peak: single(memory, "memory.max_usage_in_bytes"),
        memory_rss: files::keyed(&memory_stat, "total_rss"),
        memory_file: files::keyed(&memory_stat, "total_cache"),
        io_read_bytes: device_sum_v1(io.as_deref(), "Read"),
        io_write_bytes: device_sum_v1(io.as_deref(), "Write"),
        oom_kills: files::keyed(&text(memory, "memory.oom_control").unwrap_or_default(), "oom_kill"),
        pids_current: single(group.v1_dir("pids"), "pids.current"),
        ..CgroupStats::default()
    }
}

/// Sum over devices of lines `MAJ:MIN Read BYTES`. Without any such line nothing is known: newer kernels
/// count only after someone has set a throttle on the device, and show `Total 0` until then (seen on Linux
/// 6.18).
fn device_sum_v1(text: Option<&str>, direction: &str) -> Option<u64> {
    let of_device = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        (words.next()? == direction).then(|| words.next()?.parse::<u64>().ok())?
    };
    text?.lines().filter_map(of_device).reduce(u64::saturating_add)
}

fn read_v2(dir: &Path) -> CgroupStats {
    let dir = Some(dir);
    let cpu = text(dir, "cpu.stat").unwrap_or_default();
    let memory_stat = text(dir, "memory.stat").unwrap_or_default();
    let io = text(dir, "io.stat");
    let ns = |key| files::keyed(&cpu, key).map(|us| us * 1000);
    let pressure = |file| files::pressure_total(&text(dir, file)?);
    CgroupStats {
        cpu_total_ns: ns("usage_usec"),
        cpu_user_ns: ns("user_usec"),
        cpu_system_ns: ns("system_usec"),
        throttled_periods: files::keyed(&cpu, "nr_throttled"),
        throttled_ns: ns("throttled_usec"),
        memory_current: single(dir, "memory.current"),
        memory_peak: single(dir, "memory.peak"),
        memory_rss: files::keyed(&memory_stat, "anon"),
        memory_file: files::keyed(&memory_stat, "file"),
        io_read_bytes: io.as_deref().map(|text| device_sum_v2(text, "rbytes=")),
        io_write_bytes: io.as_deref().map(|text| device_sum_v2(text, "wbytes=")),
        pressure_cpu_us: pressure("cpu.pressure"),
        pressure_memory_us: pressure("memory.pressure"),
        pressure_io_us: pressure("io.pressure"),
        oom_kills: files::keyed(&text(dir, "memory.events").unwrap_or_default(), "oom_kill"),
        pids_current: single(dir, "pids.current"),
    }
}

/// Sum over devices of `key=BYTES` in lines `MAJ:MIN rbytes=… wbytes=… …`.
fn device_sum_v2(text: &str, key: &str) -> u64 {
    text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum()
}
