//! The machine around the kernel: real, virtual, or a container on another.
//!
//! Sources: arch/x86 CPUID hypervisor bit as `hypervisor` in proc_cpuinfo(5),
//! Documentation/ABI/testing/sysfs-class-dmi, systemd.io/CONTAINER_INTERFACE.

use crate::root::{Fact, Root, colon};
use isotare_cgroup::Hierarchies;
use isotare_core::Sha256;

pub(crate) fn facts(root: &Root) -> Vec<Fact> {
    let clock = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    vec![
        // Not the number itself: machine-id(5) asks not to show it to others.
        (
            "machine-id",
            root.text("etc/machine-id").map(|id| Sha256::of(format!("isotare {id}"))[..16].to_owned()),
        ),
        ("virtualised", virtualised(root)),
        ("container", container(root)),
        ("clock-source", root.text(clock)),
        ("clock-resolution", clock_resolution(root)),
        ("distribution", distribution(root)),
        (
            "cgroup",
            Hierarchies::discover_in(&root.path("")).ok().map(|found| found.version().word().to_owned()),
        ),
    ]
}

fn virtualised(root: &Root) -> Option<String> {
    let info = root.text("proc/cpuinfo")?;
    let flags = colon(&info, "flags").unwrap_or_default();
    let flag = flags.split_ascii_whitespace().any(|flag| flag == "hypervisor");
    let dmi = |file: &str| root.text(&format!("sys/class/dmi/id/{file}")).unwrap_or_default();
    let product = format!("{} {}", dmi("sys_vendor"), dmi("product_name")).trim().to_owned();
    let known =
        ["QEMU", "KVM", "VMware", "VirtualBox", "Virtual Machine", "Xen", "Bochs", "OpenStack", "HVM domU"];
    let named = known.iter().any(|name| product.contains(name)) || root.exists("sys/hypervisor/type");
    Some(match (flag || named, product.is_empty()) {
        (false, _) => "no".to_owned(),
        (true, true) => "yes".to_owned(),
        (true, false) => format!("yes ({product})"),
    })
}

/// Which container manager's container this is.
fn container(root: &Root) -> Option<String> {
    if root.exists(".dockerenv") {
        return Some("docker".to_owned());
    }
    if root.exists("run/.containerenv") {
        return Some("podman".to_owned());
    }
    if let Some(name) = root.text("run/systemd/container").filter(|name| !name.is_empty()) {
        return Some(name);
    }
    // Readable by root only; without it, nothing speaks for a container, but nothing speaks against one
    // either.
    let environment = root.text("proc/1/environ")?;
    let named = environment.split('\0').find_map(|pair| pair.strip_prefix("container="));
    Some(named.unwrap_or("no").to_owned())
}

fn clock_resolution(root: &Root) -> Option<String> {
    // `/proc/timer_list` would tell of another root's clock; only this machine's can be asked.
    root.is_this_machine().then(|| {
        let resolution = rustix::time::clock_getres(rustix::time::ClockId::Monotonic);
        format!("{} ns", resolution.tv_sec * 1_000_000_000 + resolution.tv_nsec)
    })
}

fn distribution(root: &Root) -> Option<String> {
    let text = root.text("etc/os-release").or_else(|| root.text("usr/lib/os-release"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches(['"', '\'']).to_owned())
}
