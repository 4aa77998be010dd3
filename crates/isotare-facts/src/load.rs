//! Other activity on the machine: the load, and the time that a hypervisor takes.
//!
//! Sources: proc_loadavg(5), proc_stat(5).

use crate::root::{Fact, Root};

/// Ticks of all CPUs since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    total: u64,
    steal: u64,
}

pub(crate) fn cpu_times(root: &Root) -> Option<CpuTimes> {
    let text = root.text("proc/stat")?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    // The ninth and tenth, of guests, are in the first two already.
    Some(CpuTimes { total: ticks.iter().take(8).sum(), steal: *ticks.get(7)? })
}

pub(crate) fn facts(root: &Root, before: Option<CpuTimes>, after: Option<CpuTimes>) -> Vec<Fact> {
    let boot = CpuTimes { total: 0, steal: 0 };
    let loads = root.text("proc/loadavg").map(|text| text.split(' ').take(3).collect::<Vec<_>>().join(" "));
    vec![
        ("load-average", loads),
        ("steal-since-boot-percent", after.and_then(|after| percent(boot, after))),
        ("steal-now-percent", before.zip(after).and_then(|(before, after)| percent(before, after))),
    ]
}

fn percent(from: CpuTimes, to: CpuTimes) -> Option<String> {
    let total = to.total.checked_sub(from.total).filter(|&total| total > 0)?;
    let steal = to.steal.checked_sub(from.steal)?;
    Some(format!("{:.2}", steal as f64 / total as f64 * 100.0))
}
