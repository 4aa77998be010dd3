//! An [`Order`] as an OCI runtime specification: what Docker gives a container that asks for nothing.

use super::error::BrokerError;
use super::isolation::Privilege;
use super::profile::{CAPABILITIES, DEVICES, MASKED, READONLY};
use crate::container::wire::{Group, Order};
use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxDeviceCgroup,
    LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemoryBuilder, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxResources, LinuxResourcesBuilder, Mount, MountBuilder, Process, ProcessBuilder,
    RootBuilder, Spec, SpecBuilder,
};
use std::collections::HashSet;
use std::path::Path;

type Built<T> = Result<T, OciSpecError>;

const CGROUPS: &str = "/sys/fs/cgroup";

/// Builds the specification for a root file system mounted at `rootfs`. A rootless one leaves out what needs cgroups
/// or a mapped group 5.
pub(super) fn build(order: &Order, rootfs: &Path, privilege: Privilege) -> Result<Spec, BrokerError> {
    let build = || -> Built<Spec> {
        SpecBuilder::default()
            .version("1.0.2")
            .root(RootBuilder::default().path(rootfs).readonly(false).build()?)
            .hostname("isotare")
            .mounts(mounts(order, privilege)?)
            .process(process(order)?)
            .linux(linux(order)?)
            .build()
    };
    build().map_err(|error| BrokerError::Spec(error.to_string()))
}

fn process(order: &Order) -> Built<Process> {
    let set = || CAPABILITIES.into_iter().collect::<HashSet<_>>();
    let capabilities = LinuxCapabilitiesBuilder::default()
        .bounding(set())
        .effective(set())
        .permitted(set())
        .inheritable(HashSet::new())
        .ambient(HashSet::new())
        .build()?;
    ProcessBuilder::default()
        .terminal(false)
        .args(order.args.clone())
        .env(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])
        .cwd("/")
        .capabilities(capabilities)
        // Without it the filter could be loaded only before the capabilities are dropped, and would have to allow that.
        .no_new_privileges(true)
        .rlimits(Vec::new())
        .build()
}

fn linux(order: &Order) -> Built<Linux> {
    use LinuxNamespaceType as Type;
    // No network namespace: the container inherits the one that the broker furnished for it, see `network`.
    let namespaces = [Type::Pid, Type::Mount, Type::Uts, Type::Ipc, Type::Cgroup]
        .into_iter()
        .map(|kind| LinuxNamespaceBuilder::default().typ(kind).build())
        .collect::<Built<Vec<LinuxNamespace>>>()?;
    let mut readonly: Vec<String> = READONLY.map(String::from).to_vec();
    let (path, resources) = match &order.group {
        Some(group) => {
            // The runtime mounts version 1 hierarchies writable, whatever the mount's options say.
            readonly.extend(v1_hierarchies());
            (group.path.clone(), resources(group)?)
        }
        // A path that the runtime may not make; it takes that as no reason to fail.
        None => {
            (format!("/isotare/{}", order.id), LinuxResourcesBuilder::default().devices(Vec::new()).build()?)
        }
    };
    LinuxBuilder::default()
        .namespaces(namespaces)
        .masked_paths(MASKED.map(String::from))
        .readonly_paths(readonly)
        .cgroups_path(path)
        .resources(resources)
        .build()
}

fn resources(group: &Group) -> Built<LinuxResources> {
    let memory = i64::try_from(group.memory).unwrap_or(i64::MAX);
    LinuxResourcesBuilder::default()
        .devices(devices()?)
        .cpu(LinuxCpuBuilder::default().cpus(&group.cpus).build()?)
        .memory(LinuxMemoryBuilder::default().limit(memory).build()?)
        .build()
}

fn devices() -> Built<Vec<LinuxDeviceCgroup>> {
    let deny = LinuxDeviceCgroupBuilder::default().allow(false).typ(LinuxDeviceType::A).access("rwm").build();
    let allow = DEVICES.iter().map(|&(kind, major, minor, access)| {
        let kind = if kind == 'b' { LinuxDeviceType::B } else { LinuxDeviceType::C };
        let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(access);
        if let Some(major) = major {
            rule = rule.major(major);
        }
        if let Some(minor) = minor {
            rule = rule.minor(minor);
        }
        rule.build()
    });
    std::iter::once(deny).chain(allow).collect()
}

fn mounts(order: &Order, privilege: Privilege) -> Built<Vec<Mount>> {
    let mount = |to: &Path, kind: &str, from: &Path, options: &[&str]| {
        let options = options.iter().map(ToString::to_string).collect::<Vec<_>>();
        MountBuilder::default().destination(to).typ(kind).source(from).options(options).build()
    };
    let pseudo =
        |to: &str, kind: &str, options: &[&str]| mount(Path::new(to), kind, Path::new(kind), options);
    let rootless = privilege == Privilege::Rootless;
    let quiet = ["nosuid", "noexec", "nodev"];
    let terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let mut mounts = vec![
        pseudo("/proc", "proc", &quiet)?,
        pseudo("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        pseudo("/dev/pts", "devpts", if rootless { &terminals[..5] } else { &terminals })?,
        pseudo("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"])?,
        pseudo("/dev/mqueue", "mqueue", &quiet)?,
        pseudo("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"])?,
    ];
    if !rootless {
        mounts.push(pseudo(CGROUPS, "cgroup", &["ro", "nosuid", "noexec", "nodev"])?);
    }
    let (from, to) = &order.bind;
    mounts.push(mount(to, "bind", from, &["rbind", "rw"])?);
    Ok(mounts)
}

fn v1_hierarchies() -> Vec<String> {
    // Without the file there is no /proc, and the runtime says so in better words.
    v1_mount_points(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// Mount points of the version 1 hierarchies in a mount table: proc_pid_mountinfo(5).
fn v1_mount_points(mountinfo: &str) -> Vec<String> {
    let points = mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        (after.starts_with("cgroup ") && point.starts_with(CGROUPS)).then(|| point.to_owned())
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_1_hierarchies_are_made_read_only() {
        let table = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
        assert_eq!(v1_mount_points(table), ["/sys/fs/cgroup/cpu,cpuacct"]);
    }

    #[test]
    fn a_rootless_container_asks_for_no_cgroups() {
        let order = Order {
            id: "a".into(),
            lower: "/l".into(),
            layers: "/u".into(),
            args: vec!["/isotare/agent".into()],
            bind: ("/run/a".into(), "/isotare/control".into()),
            group: None,
            link: None,
        };
        let text = |privilege| {
            let spec = build(&order, Path::new("/r"), privilege).expect("builds");
            serde_json::to_string(&spec).expect("encodes")
        };
        assert!(!text(Privilege::Rootless).contains(r#""type":"cgroup","source""#));
        assert!(!text(Privilege::Rootless).contains("gid=5"));
        assert!(text(Privilege::Root).contains("gid=5"));
    }
}
