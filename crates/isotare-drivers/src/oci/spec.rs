//! An OCI runtime specification for our agent, with Docker's default settings.

use super::filter;
use super::profile::{CAPABILITIES, DEVICES, MASKED, READONLY};
use isotare_cgroup::Hierarchies;
use isotare_core::{AGENT_PATH, Budget, CONTROL_DIR, DATA_DIR};
use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxDeviceCgroup,
    LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemoryBuilder, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder, Mount, MountBuilder,
    Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

pub(super) type Built<T> = Result<T, OciSpecError>;

const CGROUPS: &str = "/sys/fs/cgroup";

/// The properties in which containers differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container<'a> {
    /// Its name.
    pub id: &'a str,
    /// Where its root file system is mounted.
    pub rootfs: &'a Path,
    /// The program and its arguments.
    pub args: &'a [String],
    /// Folder of the host to show inside, and where.
    pub bind: (&'a Path, &'a Path),
    /// Its cgroup; `None`: no cgroup of its own.
    pub group: Option<&'a Group>,
    /// Who makes it.
    pub privilege: Privilege,
    /// Whether the runtime makes a network namespace for it.
    pub own_network: bool,
    /// A network namespace that it uses instead.
    pub network: Option<&'a Path>,
    /// Whether the runtime loads the system call filter; if not, its caller does.
    pub filtered: bool,
}

/// A container's cgroup with its limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Path from the hierarchies' roots.
    pub path: String,
    /// CPUs in list form.
    pub cpus: String,
    /// Memory, bytes.
    pub memory: u64,
    /// Processes and threads together; `None`: not limited, or nothing on this machine counts them.
    pub processes: Option<u32>,
}

impl Group {
    /// The group at `path` with a budget. Runtimes refuse a limit of processes if no controller counts them.
    pub(crate) fn new(hierarchies: &Hierarchies, path: &str, budget: &Budget) -> Self {
        Self {
            path: hierarchies.runtime_path(path),
            cpus: budget.cpus.to_string(),
            memory: budget.memory,
            processes: budget.processes.filter(|_| hierarchies.limits_tasks()),
        }
    }
}

/// Whether a runtime works without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Root: cgroups and device nodes.
    Root,
    /// An ordinary user, root of its own user namespace: neither.
    Rootless,
}

/// The agent's command line inside a container that shares the host's kernel.
pub(crate) fn agent_command() -> Vec<String> {
    let socket = format!("{CONTROL_DIR}/agent.sock");
    [AGENT_PATH, "--socket", &socket, "--data", DATA_DIR].map(str::to_owned).to_vec()
}

/// The agent's command line where it talks over its standard streams.
pub(crate) fn agent_over_stdio() -> Vec<String> {
    [AGENT_PATH, "--stdio", "--data", DATA_DIR].map(str::to_owned).to_vec()
}

/// Builds the specification. A rootless one leaves out what needs cgroups or a mapped group 5.
pub(crate) fn build(container: &Container<'_>) -> Built<Spec> {
    SpecBuilder::default()
        .version("1.0.2")
        .root(RootBuilder::default().path(container.rootfs).readonly(false).build()?)
        .hostname("isotare")
        .mounts(mounts(container)?)
        .process(process(container)?)
        .linux(linux(container)?)
        .build()
}

fn process(container: &Container<'_>) -> Built<Process> {
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
        .args(container.args)
        .env(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])
        .cwd("/")
        .capabilities(capabilities)
        // Without it the filter could be loaded only before the capabilities are dropped, and would have to
        // allow that.
        .no_new_privileges(true)
        .rlimits(Vec::new())
        .build()
}

fn linux(container: &Container<'_>) -> Built<Linux> {
    use LinuxNamespaceType as Type;
    let new = [Type::Pid, Type::Mount, Type::Uts, Type::Ipc, Type::Cgroup];
    let new = new
        .into_iter()
        .chain((container.own_network && container.network.is_none()).then_some(Type::Network));
    let new = new.map(|kind| LinuxNamespaceBuilder::default().typ(kind).build());
    let given = container
        .network
        .map(|path| LinuxNamespaceBuilder::default().typ(Type::Network).path(path.to_owned()).build());
    let namespaces = new.chain(given).collect::<Built<Vec<LinuxNamespace>>>()?;
    let mut readonly: Vec<String> = READONLY.map(String::from).to_vec();
    let (path, resources) = match container.group {
        Some(group) => {
            // The runtime mounts version 1 hierarchies writable, and ignores the mount's options.
            readonly.extend(v1_hierarchies());
            (group.path.clone(), resources(group)?)
        }
        // A path that the runtime may not create. The runtime does not fail because of this.
        None => (
            format!("/isotare/{}", container.id),
            LinuxResourcesBuilder::default().devices(Vec::new()).build()?,
        ),
    };
    let linux = LinuxBuilder::default()
        .namespaces(namespaces)
        .masked_paths(MASKED.map(String::from))
        .readonly_paths(readonly)
        .cgroups_path(path)
        .resources(resources);
    if container.filtered { linux.seccomp(filter::build()?).build() } else { linux.build() }
}

fn resources(group: &Group) -> Built<LinuxResources> {
    let memory = i64::try_from(group.memory).unwrap_or(i64::MAX);
    let resources = LinuxResourcesBuilder::default()
        .devices(devices()?)
        .cpu(LinuxCpuBuilder::default().cpus(&group.cpus).build()?)
        .memory(LinuxMemoryBuilder::default().limit(memory).build()?);
    match group.processes {
        Some(limit) => resources.pids(LinuxPidsBuilder::default().limit(limit).build()?).build(),
        None => resources.build(),
    }
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

fn mounts(container: &Container<'_>) -> Built<Vec<Mount>> {
    let mount = |to: &Path, kind: &str, from: &Path, options: &[&str]| {
        let options = options.iter().map(ToString::to_string).collect::<Vec<_>>();
        MountBuilder::default().destination(to).typ(kind).source(from).options(options).build()
    };
    let pseudo =
        |to: &str, kind: &str, options: &[&str]| mount(Path::new(to), kind, Path::new(kind), options);
    let rootless = container.privilege == Privilege::Rootless;
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
    let (from, to) = container.bind;
    mounts.push(mount(to, "bind", from, &["rbind", "ro", "nosuid", "nodev", "noexec"])?);
    Ok(mounts)
}

fn v1_hierarchies() -> Vec<String> {
    // Without the file there is no /proc, and the runtime's error about it is clearer.
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

    fn text(privilege: Privilege, filtered: bool) -> String {
        let container = Container {
            id: "a",
            rootfs: Path::new("/r"),
            args: &["/isotare/agent".to_owned()],
            bind: (Path::new("/run/a"), Path::new("/isotare/control")),
            group: None,
            privilege,
            own_network: filtered,
            network: None,
            filtered,
        };
        serde_json::to_string(&build(&container).expect("builds")).expect("encodes")
    }

    #[test]
    fn the_number_of_processes_is_limited_where_they_are_counted() {
        let group = |processes| Group { path: "/g".to_owned(), cpus: "0".to_owned(), memory: 9, processes };
        let text = |processes| {
            let resources = resources(&group(processes)).expect("builds");
            serde_json::to_value(resources).expect("encodes")
        };
        assert_eq!(text(Some(300))["pids"]["limit"], 300);
        assert_eq!(text(None).get("pids"), None);
    }

    #[test]
    fn the_spec_of_a_rootless_container_has_no_cgroups() {
        assert!(!text(Privilege::Rootless, false).contains(r#""type":"cgroup","source""#));
        assert!(!text(Privilege::Rootless, false).contains("gid=5"));
        assert!(text(Privilege::Root, false).contains("gid=5"));
    }

    #[test]
    fn the_spec_leaves_out_what_the_caller_does() {
        let (theirs, ours) = (text(Privilege::Root, true), text(Privilege::Root, false));
        for word in ["SCMP_ACT_ERRNO", r#"{"type":"network"}"#] {
            assert!(theirs.contains(word) && !ours.contains(word), "{word}: {theirs}");
        }
    }
}
