//! Tests with facts of a recorded machine and of this one.

use isotare_facts::{UNKNOWN, host_facts};
use std::fs;
use std::path::Path;

const FILES: &[(&str, &str)] = &[
    (
        "proc/cpuinfo",
        "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: fpu hypervisor lahf_lm\n",
    ),
    ("proc/stat", "cpu  70053 2096 9996 201868 1221 0 189 2920 0 0\n"),
    ("proc/loadavg", "1.50 0.77 0.45 3/103 25088\n"),
    ("proc/meminfo", "MemTotal: 24683520 kB\nMemAvailable:   524288 kB\nSwapTotal: 0 kB\n"),
    ("proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
    ("proc/sys/kernel/osrelease", "6.1.0-56-amd64\n"),
    ("proc/sys/kernel/randomize_va_space", "2\n"),
    ("proc/1/environ", "TERM=linux\0container=lxc\0"),
    (
        "boot/config-6.1.0-56-amd64",
        "CONFIG_HZ=250\nCONFIG_TICK_CPU_ACCOUNTING=y\n# CONFIG_IRQ_TIME_ACCOUNTING is not set\n",
    ),
    ("etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
    ("sys/devices/system/cpu/online", "0-1\n"),
    ("sys/devices/system/cpu/smt/active", "1\n"),
    ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "schedutil\n"),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n"),
    ("sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n"),
    ("sys/devices/system/cpu/vulnerabilities/retbleed", "Vulnerable\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/kernel/mm/ksm/run", "0\n"),
    ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
];

#[test]
fn the_facts_of_a_recorded_machine_are_read() {
    let root = tempfile::tempdir().expect("temporary folder");
    for (path, text) in FILES {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        fs::write(path, text).expect("file");
    }
    let host = host_facts(root.path());
    for (name, value) in [
        ("cpu-model", "Intel(R) Xeon(R) Processor"),
        ("cpus-online", "0-1"),
        ("smt", "active"),
        ("smt-siblings", "0-1"),
        ("governor", "schedutil"),
        ("turbo", "no"),
        ("mitigations", "retbleed: Vulnerable"),
        ("virtualised", "yes (QEMU)"),
        ("emulated", "no"),
        ("container", "lxc"),
        ("clock-source", UNKNOWN),
        ("distribution", "Debian GNU/Linux 12 (bookworm)"),
        ("cgroup", "v2"),
        ("kernel", "6.1.0-56-amd64"),
        ("cpu-accounting", "TICK_CPU_ACCOUNTING"),
        ("tick-rate", "250"),
        ("pressure", "absent"),
        ("aslr", "full"),
        ("memory-available-bytes", "536870912"),
        ("swap-bytes", "0"),
        ("transparent-huge-pages", "madvise"),
        ("ksm", "off"),
        ("load-average", "1.50 0.77 0.45"),
        ("steal-since-boot-percent", "1.01"),
        ("steal-now-percent", UNKNOWN),
    ] {
        assert_eq!(host.facts[name], value, "{name}");
    }
    assert_eq!(host.warnings.len(), 6, "{:#?}", host.warnings);
}

#[test]
fn the_main_facts_of_this_machine_are_known() {
    let host = host_facts(Path::new("/"));
    for name in
        ["kernel", "cpus-online", "memory-total-bytes", "load-average", "clock-resolution", "pressure"]
    {
        assert_ne!(host.facts[name], UNKNOWN, "{name}");
    }
}

#[test]
fn without_any_file_every_fact_is_unknown() {
    let root = tempfile::tempdir().expect("temporary folder");
    let host = host_facts(root.path());
    assert!(host.facts.values().all(|value| value == UNKNOWN), "{:#?}", host.facts);
}
