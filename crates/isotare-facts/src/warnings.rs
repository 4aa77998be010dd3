//! Warnings about problems that can disturb a measurement, derived from the facts.

use isotare_core::CpuSet;
use std::collections::BTreeMap;

type Facts = BTreeMap<String, String>;

/// Steal above this share, in percent, shifts results.
const STEAL_PERCENT: f64 = 1.0;
/// Less memory than this makes instances reclaim.
const LITTLE_MEMORY: u64 = 1 << 30;

/// What was found, and what to do.
pub(crate) fn of(facts: &Facts) -> Vec<String> {
    let checks =
        [governor, turbo, smt, emulated, virtualised, clock, steal, load, memory, huge_pages, ksm, cgroup];
    checks.iter().filter_map(|check| check(facts)).collect()
}

fn fact<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    facts.get(name).map(String::as_str)
}

fn number(facts: &Facts, name: &str) -> Option<f64> {
    fact(facts, name)?.split(' ').next()?.parse().ok()
}

fn governor(facts: &Facts) -> Option<String> {
    let governor =
        fact(facts, "governor").filter(|word| !matches!(*word, "performance" | "none" | "unknown"))?;
    Some(format!(
        "The CPU frequency governor is {governor}, so the speed depends on the load; change it: cpupower \
         frequency-set -g performance."
    ))
}

fn turbo(facts: &Facts) -> Option<String> {
    (fact(facts, "turbo")? == "yes").then(|| {
        "Turbo is on, so the speed depends on the temperature and on the load of other cores; switch it off \
         for precise comparisons: echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > \
         /sys/devices/system/cpu/cpufreq/boost."
            .to_owned()
    })
}

fn smt(facts: &Facts) -> Option<String> {
    let groups = fact(facts, "smt-siblings")?;
    let shared = groups.split(' ').find(|group| group.parse::<CpuSet>().is_ok_and(|set| set.count() > 1))?;
    (fact(facts, "smt")? == "active").then(|| {
        format!(
            "CPUs {shared} share a core, so a program on one of them slows the other; give instances one CPU \
             of each core or whole cores, or switch SMT off: echo off > /sys/devices/system/cpu/smt/control."
        )
    })
}

fn emulated(facts: &Facts) -> Option<String> {
    crate::is_yes(fact(facts, "emulated")).then(|| {
        "This host's processor is emulated in software: you can test what works, but the times say nothing \
         about real speed; use a real machine to measure."
            .to_owned()
    })
}

fn virtualised(facts: &Facts) -> Option<String> {
    let yes = |name| crate::is_yes(fact(facts, name));
    (yes("virtualised") && !yes("emulated")).then(|| {
        "This host is itself a virtual machine: other virtual machines can disturb it without being visible, \
         and virtual machines on it are nested; use real hardware to compare virtual machines with native."
            .to_owned()
    })
}

fn clock(facts: &Facts) -> Option<String> {
    let source =
        fact(facts, "clock-source").filter(|name| matches!(*name, "hpet" | "acpi_pm" | "jiffies"))?;
    Some(format!(
        "The clock source is {source}, and reading it is slow; look in the kernel's log why tsc is not used, \
         and boot with tsc=reliable if that is correct for this machine."
    ))
}

fn steal(facts: &Facts) -> Option<String> {
    let steal = |name| number(facts, name).filter(|&percent| percent > STEAL_PERCENT);
    let (percent, when) = steal("steal-now-percent")
        .map(|percent| (percent, "now"))
        .or_else(|| steal("steal-since-boot-percent").map(|percent| (percent, "since boot")))?;
    Some(format!(
        "The hypervisor takes {percent:.1} % of the CPU time away ({when}); use a machine with dedicated \
         CPUs, or more blocks."
    ))
}

fn load(facts: &Facts) -> Option<String> {
    let load = number(facts, "load-average")?;
    let cpus = f64::from(fact(facts, "cpus-online")?.parse::<CpuSet>().ok()?.count());
    (load > cpus / 2.0).then(|| {
        format!(
            "The load average is {load} on {cpus} CPUs: other programs are running; end them, or wait \
                 until they have finished."
        )
    })
}

fn memory(facts: &Facts) -> Option<String> {
    let available = fact(facts, "memory-available-bytes")?.parse::<u64>().ok()?;
    (available < LITTLE_MEMORY).then(|| {
        format!(
            "Only {} MiB of memory are available, so instances will reclaim memory or swap; free some \
             memory.",
            available >> 20
        )
    })
}

fn huge_pages(facts: &Facts) -> Option<String> {
    (fact(facts, "transparent-huge-pages")? == "always").then(|| {
        "Transparent huge pages are always used, and they do not help containers and virtual machines \
         equally; for a fair comparison: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled."
            .to_owned()
    })
}

fn ksm(facts: &Facts) -> Option<String> {
    (fact(facts, "ksm")? == "on").then(|| {
        "Same-page merging (KSM) is on: it costs CPU time, and virtual machines have to copy pages when they \
         write; switch it off: echo 2 > /sys/kernel/mm/ksm/run."
            .to_owned()
    })
}

fn cgroup(facts: &Facts) -> Option<String> {
    (fact(facts, "cgroup")? == "unknown").then(|| {
        "No cgroup hierarchy is mounted, so budgets cannot be applied; mount one: mount -t cgroup2 none /sys/fs/cgroup."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facts: &[(&str, &str)], expect: &[&str]) {
        let facts: Facts =
            facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = of(&facts);
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (sentence, part) in found.iter().zip(expect) {
            assert!(sentence.contains(part) && sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn a_quiet_machine_is_not_warned_about() {
        check(&[], &[]);
        check(
            &[
                ("governor", "performance"),
                ("smt", "inactive"),
                ("smt-siblings", "0 1"),
                ("virtualised", "no"),
                ("clock-source", "tsc"),
                ("steal-now-percent", "0.00"),
                ("steal-since-boot-percent", "0.90"),
                ("load-average", "0.40 0.10 0.05"),
                ("cpus-online", "0-1"),
                ("memory-available-bytes", "8589934592"),
                ("transparent-huge-pages", "madvise"),
                ("ksm", "off"),
                ("cgroup", "v2"),
            ],
            &[],
        );
        check(&[("governor", "none"), ("turbo", "unknown"), ("steal-now-percent", "unknown")], &[]);
    }

    #[test]
    fn an_emulated_machine_is_not_also_reported_as_virtual() {
        check(&[("virtualised", "yes (QEMU)"), ("emulated", "yes (QEMU TCG)")], &["emulated in software"]);
    }

    #[test]
    fn each_cause_of_disturbance_is_named_with_a_remedy() {
        check(
            &[
                ("governor", "powersave"),
                ("turbo", "yes"),
                ("smt", "active"),
                ("smt-siblings", "0-1 2-3"),
                ("virtualised", "yes (QEMU Standard PC)"),
                ("emulated", "no"),
                ("clock-source", "acpi_pm"),
                ("steal-now-percent", "0.00"),
                ("steal-since-boot-percent", "2.50"),
                ("load-average", "1.40 0.10 0.05"),
                ("cpus-online", "0-1"),
                ("memory-available-bytes", "536870912"),
                ("transparent-huge-pages", "always"),
                ("ksm", "on"),
                ("cgroup", "unknown"),
            ],
            &[
                "powersave",
                "no_turbo",
                "CPUs 0-1 share",
                "nested",
                "acpi_pm",
                "2.5 % of the CPU time away (since boot)",
                "1.4 on 2 CPUs",
                "512 MiB",
                "madvise",
                "KSM",
                "mount -t cgroup2",
            ],
        );
    }
}
