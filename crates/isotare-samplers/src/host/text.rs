//! Parses the files of the whole host.

use rustix::param::clock_ticks_per_second;

/// Time of all CPUs together, s.
pub(super) struct CpuSeconds {
    /// In user mode, guests included.
    pub user: f64,
    /// In the kernel, interrupts included.
    pub system: f64,
    /// Idle, or only waiting for a disk. Exact to a tick wherever the kernel stops the tick of an idle CPU
    /// (`get_idle_time` in its fs/proc/stat.c).
    pub idle: f64,
    /// Taken by the hypervisor, as far as it tells.
    pub steal: Option<f64>,
    /// All of it, idle time included.
    pub total: f64,
    /// How many CPUs there are.
    pub cpus: usize,
}

/// Of the first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`,
/// in ticks; guest time is in user time already. A line `cpuN` follows for each CPU that is online.
pub(super) fn cpu_seconds(stat: &str) -> Option<CpuSeconds> {
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
        idle: sum(&[3, 4]),
        steal: get(7),
        total: field.iter().take(8).sum(),
        cpus: stat.lines().skip(1).take_while(|line| line.starts_with("cpu")).count(),
    })
}

/// `total` of the line that begins with `some` or `full`, in µs there.
pub(super) fn pressure_seconds(text: &str, line: &str) -> Option<f64> {
    let line = text.lines().find(|text| text.split(' ').next() == Some(line))?;
    let total = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    total.parse::<u64>().ok().map(|us| us as f64 / 1e6)
}

/// The first number of the line that begins with this word.
pub(super) fn number_after(text: &str, name: &str) -> Option<u64> {
    let words = text.lines().map(str::split_ascii_whitespace);
    words.filter_map(|mut words| (words.next()? == name).then(|| words.next())?).next()?.parse().ok()
}

/// One disk.
pub(super) struct Disk<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes read.
    pub read: f64,
    /// Bytes written.
    pub written: f64,
    /// How long it had anything to do, s.
    pub busy: f64,
}

/// Whole disks, from sectors of 512 bytes and milliseconds (Documentation/admin-guide/iostats.rst). A
/// partition's are its disk's: its name is the disk's with more behind it. Loop devices and RAM disks are
/// files and memory.
pub(super) fn disks(diskstats: &str) -> Vec<Disk<'_>> {
    let mut disks: Vec<Disk<'_>> = Vec::new();
    for line in diskstats.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, _, name, _, _, read, _, _, _, written, _, _, busy, ..] = words[..] else { continue };
        let is_part = disks
            .last()
            .and_then(|disk| name.strip_prefix(disk.name))
            .is_some_and(|part| part.trim_start_matches('p').bytes().all(|byte| byte.is_ascii_digit()));
        if is_part || ["loop", "ram", "zram", "dm-", "md"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        let number = |word: &str| word.parse::<u64>().unwrap_or(0) as f64;
        let (read, written) = (number(read) * 512.0, number(written) * 512.0);
        disks.push(Disk { name, read, written, busy: number(busy) / 1e3 });
    }
    disks
}

/// One interface of the network.
pub(super) struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes received.
    pub received: f64,
    /// Bytes sent.
    pub sent: f64,
}

/// Each interface: proc_pid_net(5), `dev`.
pub(super) fn interfaces(dev: &str) -> Vec<Interface<'_>> {
    let lines = dev.lines().filter_map(|line| line.split_once(':'));
    let interfaces = lines.filter_map(|(name, counts)| {
        let counts: Vec<f64> = counts.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        Some(Interface { name: name.trim(), received: *counts.first()?, sent: *counts.get(8)? })
    });
    interfaces.collect()
}

/// Kind and number over all CPUs of what `/proc/softirqs` counts: `NET_RX: 1 2`.
pub(super) fn softirqs(text: &str) -> impl Iterator<Item = (String, f64)> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let (kind, counts) = line.split_once(':')?;
        let sum: u64 = counts.split_ascii_whitespace().filter_map(|word| word.parse::<u64>().ok()).sum();
        Some((kind.trim().to_ascii_lowercase(), sum as f64))
    })
}

/// Sum over CPUs of the eighth number of lines `cpuN …`: how long tasks waited to run there, ns.
pub(super) fn run_delay(schedstat: &str) -> Option<f64> {
    let of_cpu = |line: &str| line.split_ascii_whitespace().nth(8)?.parse::<u64>().ok();
    let cpus = schedstat.lines().filter(|line| line.starts_with("cpu")).map(of_cpu);
    let sum = cpus.reduce(|sum, one| Some(sum?.saturating_add(one?)))??;
    Some(sum as f64 / 1e9)
}
