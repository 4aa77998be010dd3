//! Facts about the system on which the agent runs, for the fairness ledger.

use crate::clock;
use crate::observe::memory_field;
use isotare_core::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// The value of a fact that cannot be read.
const UNKNOWN: &str = "unknown";

/// A host of many containers has an interface for each.
const INTERFACES_NAMED: usize = 4;

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
    let bytes = |name| memory.as_deref().and_then(|text| memory_field(text, name)).map(|n| n.to_string());
    let cgroup = read("/proc/self/cgroup");
    let facts = [
        ("container.pid", Some(std::process::id().to_string())),
        ("agent.hash", hash_of(Path::new("/proc/self/exe"))),
        ("aslr", read("/proc/sys/kernel/randomize_va_space")),
        ("capabilities", field(&status, "CapEff")),
        ("cgroup", cgroup.as_deref().map(|text| text.lines().collect::<Vec<_>>().join(" "))),
        ("clock.cost_ns", Some(format!("{:.1}", clock::cost_ns()))),
        ("clock.source", read("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        ("cpu.flags", flags.as_deref().map(summarise_flags)),
        ("hypervisor", flags.as_deref().map(|text| has_word(text, "hypervisor").to_string())),
        ("cpu.model", field(&cpuinfo, "model name")),
        ("cpus", usable_cpus()),
        ("cpus.allowed", field(&status, "Cpus_allowed_list")),
        ("cpus.quota", cgroup.as_deref().and_then(quota)),
        ("cpus.online", read("/sys/devices/system/cpu/online")),
        ("data.device", data_mount.as_ref().map(|mount| mount.device.clone())),
        ("data.filesystem", data_mount.as_ref().map(|mount| mount.kind.clone())),
        ("data.options", data_mount.as_ref().map(|mount| mount.options.clone())),
        ("environment.size", Some(environment_size().to_string())),
        ("hugepages", field(&memory, "HugePages_Total")),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("ksm", read("/sys/kernel/mm/ksm/run")),
        ("memory.cached", bytes("Cached:")),
        ("memory.dirty", unwritten(memory.as_deref())),
        ("memory.total", bytes("MemTotal:")),
        ("mitigations", mitigations()),
        ("network.interfaces", interfaces()),
        ("network.loopback", mtu("lo").map(|mtu| format!("MTU {mtu}"))),
        ("network.path", read("/proc/net/route").as_deref().map(network_path)),
        ("no_new_privs", field(&status, "NoNewPrivs")),
        ("personality", read("/proc/self/personality")),
        ("root.filesystem", root_mount.as_ref().map(|mount| mount.kind.clone())),
        ("root.options", root_mount.map(|mount| mount.options)),
        ("seccomp", field(&status, "Seccomp")),
        ("seccomp.filters", field(&status, "Seccomp_filters")),
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

/// The SHA-256 sum of a file's content, as `sha256sum` prints it. `None` if it cannot be read.
pub fn hash_of(path: &Path) -> Option<String> {
    let mut sum = Sha256::default();
    std::io::copy(&mut fs::File::open(path).ok()?, &mut sum).ok()?;
    Some(sum.hex())
}

/// Bytes in the page cache that are still to be written, or being written.
fn unwritten(meminfo: Option<&str>) -> Option<String> {
    let field = |name| memory_field(meminfo?, name);
    Some((field("Dirty:")? + field("Writeback:")?).to_string())
}

/// The CPU time that the own cgroup may use, as far as it can be seen from here: cgroups(7), cgroup-v2.rst.
fn quota(cgroup: &str) -> Option<String> {
    let files = cgroup.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_end_matches('/'));
        let (folder, file) = match controllers {
            "" => (String::new(), "cpu.max"),
            list if list.split(',').any(|name| name == "cpu") => (format!("/{list}"), "cpu.cfs_quota_us"),
            _ => return None,
        };
        // In a namespace of its own the mount begins at the cgroup itself.
        let places =
            [format!("/sys/fs/cgroup{folder}{path}/{file}"), format!("/sys/fs/cgroup{folder}/{file}")];
        places.iter().find_map(|place| read(place))
    });
    let limits: Vec<String> = files.collect();
    let limit = limits.into_iter().find(|text| !text.starts_with("max") && text != "-1");
    Some(limit.map_or_else(|| "none".to_owned(), |text| format!("{text} us")))
}

/// Network interfaces in addition to the loopback. If there are many, their number and the first one.
fn interfaces() -> Option<String> {
    let entries = fs::read_dir("/sys/class/net").ok()?.filter_map(Result::ok);
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "lo");
    names.sort_unstable();
    Some(match names.as_slice() {
        [] => "none".to_owned(),
        few if few.len() <= INTERFACES_NAMED => few.join(" "),
        many => format!("{}: {} …", many.len(), many[..INTERFACES_NAMED].join(" ")),
    })
}

fn mtu(link: &str) -> Option<String> {
    read(&format!("/sys/class/net/{link}/mtu"))
}

/// Which way traffic leaves: the link of the default route of proc_net_route(5), what kind of link it is and
/// how much it takes at once.
fn network_path(routes: &str) -> String {
    let default_route = routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let link = fields.next()?;
        (fields.next()? == "00000000").then_some(link)
    });
    match default_route {
        None => "loopback only".to_owned(),
        Some(link) => {
            format!("{link}: {}, MTU {}", link_kind(link), mtu(link).as_deref().unwrap_or(UNKNOWN))
        }
    }
}

/// The driver of a device, or what sysfs shows of a virtual link (Documentation/ABI/testing/sysfs-class-net).
fn link_kind(link: &str) -> String {
    let folder = format!("/sys/class/net/{link}");
    if let Ok(driver) = fs::read_link(format!("{folder}/device/driver")) {
        return driver.file_name().map_or(UNKNOWN.to_owned(), |name| name.to_string_lossy().into_owned());
    }
    let has = |file: &str| Path::new(&format!("{folder}/{file}")).exists();
    match () {
        () if has("bridge") => "bridge",
        () if has("tun_flags") => "tap",
        // The other end of a pair has another number.
        () if read(&format!("{folder}/iflink")) != read(&format!("{folder}/ifindex")) => "veth",
        () => "virtual",
    }
    .to_owned()
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
    /// Of the mount and its file system, without folders, which differ from trial to trial.
    options: String,
}

/// The mount that holds `path`: the longest mount point above it, the last of equals.
fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut left = left.split(' ').skip(4);
        let Some(point) = left.next().map(|text| text.replace("\\040", " ")) else { continue };
        let mut right = right.split(' ');
        let (Some(kind), Some(device)) = (right.next(), right.next()) else { continue };
        if path.starts_with(&point) && best.as_ref().is_none_or(|(length, _)| point.len() >= *length) {
            let options = [left.next(), right.next()].into_iter().flatten().flat_map(|list| list.split(','));
            let options: BTreeSet<&str> = options.filter(|option| !option.contains('/')).collect();
            let options = options.into_iter().collect::<Vec<_>>().join(",");
            best = Some((point.len(), Mount { kind: kind.to_owned(), device: device.to_owned(), options }));
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
        let overlay = "1 0 0:7 / / rw,noatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,volatile\n";
        let options = mount_of(overlay, Path::new("/x")).map(|mount| mount.options);
        assert_eq!(options.as_deref(), Some("noatime,rw,volatile"));
    }

    #[test]
    fn the_interface_of_the_default_route_is_found() {
        let head = "Iface\tDestination\tGateway \tFlags\n";
        let own = "eth9\t0000A8C0\t00000000\t0001\n";
        assert_eq!(network_path(&format!("{head}{own}")), "loopback only");
        let routes = format!("{head}{own}eth9\t00000000\t0100A8C0\t0003\n");
        assert!(network_path(&routes).starts_with("eth9: "), "{}", network_path(&routes));
    }

    #[test]
    fn files_are_distinguished_by_their_hash() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            hash_of(&path)
        };
        assert_eq!(write("a", "same"), write("b", "same"));
        assert_ne!(write("a", "same"), write("c", "other"));
        assert_eq!(hash_of(&folder.path().join("d")), None);
        // printf same | sha256sum
        let known = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5";
        assert_eq!(write("e", "same").as_deref(), Some(known));
    }

    #[test]
    fn all_facts_are_known_on_this_machine() {
        let facts = gather(Path::new("/tmp"));
        assert!(facts["cpus"].parse::<u32>().is_ok_and(|count| count > 0), "{facts:?}");
        assert!(facts["memory.total"].parse::<u64>().is_ok_and(|bytes| bytes > 1 << 20), "{facts:?}");
        for fact in [
            "agent.hash",
            "cpus.allowed",
            "cpus.quota",
            "data.filesystem",
            "data.options",
            "memory.cached",
            "memory.dirty",
            "network.path",
            "root.options",
        ] {
            assert_ne!(facts[fact], UNKNOWN, "{fact}");
        }
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
    }
}
