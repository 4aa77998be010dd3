//! The kernel and how it is set up.
//!
//! Sources: Documentation/admin-guide/sysctl/kernel.rst, Documentation/accounting/psi.rst,
//! Documentation/admin-guide/LSM/index.rst; CPU accounting: init/Kconfig.

use crate::root::{Fact, Root};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::Read;

const ACCOUNTING: [&str; 4] =
    ["TICK_CPU_ACCOUNTING", "VIRT_CPU_ACCOUNTING_NATIVE", "VIRT_CPU_ACCOUNTING_GEN", "IRQ_TIME_ACCOUNTING"];

pub(crate) fn facts(root: &Root) -> Vec<Fact> {
    let release = root.text("proc/sys/kernel/osrelease");
    let config = config(root, release.as_deref());
    let aslr = root.text("proc/sys/kernel/randomize_va_space").map(|level| match level.as_str() {
        "0" => "off".to_owned(),
        "1" => "partial".to_owned(),
        "2" => "full".to_owned(),
        other => other.to_owned(),
    });
    vec![
        ("kernel", release),
        ("kernel-build", root.text("proc/sys/kernel/version")),
        ("kernel-command-line", root.text("proc/cmdline")),
        ("cpu-accounting", config.as_deref().and_then(accounting)),
        ("tick-rate", config.as_deref().and_then(|text| option(text, "HZ"))),
        ("pressure", root.exists("proc").then(|| pressure(root))),
        ("aslr", aslr),
        ("perf-event-paranoid", root.text("proc/sys/kernel/perf_event_paranoid")),
        ("lsm", root.text("sys/kernel/security/lsm")),
    ]
}

fn pressure(root: &Root) -> String {
    // The files are there but refuse to be read where pressure was switched off at boot.
    if root.text("proc/pressure/cpu").is_some() { "present" } else { "absent" }.to_owned()
}

/// The kernel's configuration, from itself or from what the distribution installed.
fn config(root: &Root, release: Option<&str>) -> Option<String> {
    let mut text = String::new();
    let own = File::open(root.path("proc/config.gz")).ok();
    match own.and_then(|file| GzDecoder::new(file).read_to_string(&mut text).ok()) {
        Some(_) => Some(text),
        None => root.text(&format!("boot/config-{}", release?)),
    }
}

fn accounting(config: &str) -> Option<String> {
    let set: Vec<&str> =
        ACCOUNTING.into_iter().filter(|name| option(config, name).as_deref() == Some("y")).collect();
    (!set.is_empty()).then(|| set.join(" "))
}

fn option(config: &str, name: &str) -> Option<String> {
    config.lines().find_map(|line| {
        Some(line.strip_prefix("CONFIG_")?.strip_prefix(name)?.strip_prefix('=')?.to_owned())
    })
}
