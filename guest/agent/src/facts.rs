//! What the agent can see of the system it runs on, for the fairness ledger.

use crate::clock;
use crate::observe::memory_field;
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// The value of a fact that cannot be read.
const UNKNOWN: &str = "unknown";

/// Every fact, by name.
pub fn gather(data: &Path) -> BTreeMap<String, String> {
    let status = read("/proc/self/status");
    let cpuinfo = read("/proc/cpuinfo");
    let mounts = read("/proc/self/mountinfo");
    let data = fs::canonicalize(data).ok();
    let data_mount = data.as_deref().zip(mounts.as_deref()).and_then(|(data, text)| mount_of(text, data));
    let root_mount = mounts.as_deref().and_then(|text| mount_of(text, Path::new("/")));
    let field = |text: &Option<String>, name: &str| text.as_deref().and_then(|text| after_colon(text, name));
    let flags = field(&cpuinfo, "flags");
    let memory = read("/proc/meminfo");
    let facts = [
        ("container.pid", Some(std::process::id().to_string())),
        ("aslr", read("/proc/sys/kernel/randomize_va_space")),
        ("capabilities", field(&status, "CapEff")),
        ("cgroup", read("/proc/self/cgroup").map(|text| text.lines().collect::<Vec<_>>().join(" "))),
        ("clock.cost_ns", Some(format!("{:.1}", clock::cost_ns()))),
        ("clock.source", read("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        ("cpu.flags", flags.as_deref().map(summarise_flags)),
        ("hypervisor", flags.as_deref().map(|text| has_word(text, "hypervisor").to_string())),
        ("cpu.model", field(&cpuinfo, "model name")),
        ("cpus", usable_cpus()),
        ("cpus.online", read("/sys/devices/system/cpu/online")),
        ("data.device", data_mount.as_ref().map(|mount| mount.device.clone())),
        ("data.filesystem", data_mount.as_ref().map(|mount| mount.kind.clone())),
        ("environment.size", Some(environment_size().to_string())),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("ksm", read("/sys/kernel/mm/ksm/run")),
        ("memory.total", memory.as_deref().and_then(|t| memory_field(t, "MemTotal:")).map(|n| n.to_string())),
        ("mitigations", mitigations()),
        ("no_new_privs", field(&status, "NoNewPrivs")),
        ("root.filesystem", root_mount.map(|mount| mount.kind)),
        ("seccomp", field(&status, "Seccomp")),
        ("thp", read("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|text| chosen(&text))),
        ("uid", Some(rustix::process::getuid().as_raw().to_string())),
    ];
    let known = |value: Option<String>| value.filter(|text| !text.is_empty()).unwrap_or(UNKNOWN.to_owned());
    facts.into_iter().map(|(name, value)| (name.to_owned(), known(value))).collect()
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn after_colon(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_ascii_whitespace().any(|found| found == word)
}

/// How many flags there are and a hash of them, enough to see that two environments differ.
fn summarise_flags(text: &str) -> String {
    let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
    words.sort_unstable();
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    format!("{} {:016x}", words.len(), hasher.finish())
}

fn usable_cpus() -> Option<String> {
    rustix::thread::sched_getaffinity(None).ok().map(|set| set.count().to_string())
}

fn environment_size() -> usize {
    std::env::vars_os().map(|(key, value)| key.len() + value.len() + 2).sum()
}

fn mitigations() -> Option<String> {
    let mut seen: Vec<String> = fs::read_dir("/sys/devices/system/cpu/vulnerabilities")
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let state = fs::read_to_string(entry.path()).ok()?;
            Some(format!("{}: {}", entry.file_name().to_string_lossy(), state.trim()))
        })
        .filter(|line| !line.ends_with(": Not affected"))
        .collect();
    seen.sort_unstable();
    Some(if seen.is_empty() { "none needed".to_owned() } else { seen.join("; ") })
}

/// The word in brackets: `always [madvise] never`.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

struct Mount {
    kind: String,
    device: String,
}

/// The mount that holds `path`: the longest mount point above it, the last of equals.
fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4).map(|text| text.replace("\\040", " ")) else { continue };
        let mut right = right.split(' ');
        let (Some(kind), Some(device)) = (right.next(), right.next()) else { continue };
        if path.starts_with(&point) && best.as_ref().is_none_or(|(length, _)| point.len() >= *length) {
            best = Some((point.len(), Mount { kind: kind.to_owned(), device: device.to_owned() }));
        }
    }
    best.map(|(_, mount)| mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_and_last_mount_holds_a_path() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    2 1 0:5 / /isotare rw shared:1 - tmpfs tmpfs rw\n\
                    3 2 0:6 / /isotare/data rw - xfs /dev/vda rw\n\
                    4 1 0:7 / /iso rw - proc proc rw\n";
        let kind = |path: &str| mount_of(text, Path::new(path)).map(|mount| mount.kind);
        assert_eq!(kind("/isotare/data/x").as_deref(), Some("xfs"));
        assert_eq!(kind("/isotare/other").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/isotaredata").as_deref(), Some("ext4"));
        assert!(mount_of("", Path::new("/")).is_none());
    }

    #[test]
    fn nothing_is_left_out_on_this_machine() {
        let facts = gather(Path::new("/tmp"));
        assert!(facts["cpus"].parse::<u32>().is_ok_and(|count| count > 0), "{facts:?}");
        assert!(facts["memory.total"].parse::<u64>().is_ok_and(|bytes| bytes > 1 << 20), "{facts:?}");
        assert_ne!(facts["data.filesystem"], UNKNOWN);
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
    }
}
