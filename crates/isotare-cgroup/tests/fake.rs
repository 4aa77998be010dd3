//! Tests with the files of fake machines: which hierarchies are found, and what is written and read. They
//! need no special rights.

use isotare_cgroup::{Hierarchies, Tasks, Version};
use isotare_core::{Budget, CpuSet};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const V1_MOUNTS: &str = "\
33 31 0:30 / /cg/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /cg/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /cg/blkio rw,relatime - cgroup cgroup rw,blkio
38 31 0:35 / /cg/pids rw,relatime - cgroup cgroup rw,pids
";
const V2_MOUNT: &str = "41 31 0:38 / /cg/unified rw,relatime - cgroup2 cgroup2 rw\n";

fn machine(mounts: &str, files: &[(&str, &str)]) -> (TempDir, Hierarchies) {
    let root = tempfile::tempdir().expect("temporary folder");
    let mut all = vec![("proc/self/mountinfo", mounts), ("proc/self/cgroup", "0::/user.slice/a.scope\n")];
    all.extend(files);
    for (path, text) in all {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        fs::write(path, text).expect("file");
    }
    let hierarchies = Hierarchies::discover_in(root.path()).expect("hierarchies");
    (root, hierarchies)
}

fn content(root: &TempDir, path: &str) -> String {
    fs::read_to_string(root.path().join(path)).expect(path)
}

fn budget() -> Budget {
    Budget { cpus: CpuSet::new([1]).expect("not empty"), memory: 64 << 20, processes: Some(300) }
}

// Version 1 of Linux 6.18. The numbers were recorded on a Debian 12 virtual machine. `io_service_bytes` was
// recorded after a throttle was set on a device.
const V1_FILES: &[(&str, &str)] = &[
    ("cg/cpu,cpuacct/s/i/cpuacct.usage", "830971777610\n"),
    ("cg/cpu,cpuacct/s/i/cpuacct.stat", "user 72817\nsystem 10279\n"),
    (
        "cg/cpu,cpuacct/s/i/cpu.stat",
        "nr_periods 0\nnr_throttled 0\nthrottled_time 0\nnr_bursts 0\nburst_time 0\n",
    ),
    ("cg/cpuset/cpuset.cpus", "0-1\n"),
    ("cg/cpuset/cpuset.mems", "0\n"),
    ("cg/cpuset/s/cgroup.clone_children", "0\n"),
    ("cg/cpuset/s/cpuset.cpus", "\n"),
    ("cg/cpuset/s/cpuset.mems", "\n"),
    ("cg/cpuset/s/i/cgroup.clone_children", "0\n"),
    ("cg/cpuset/s/i/cpuset.cpus", "\n"),
    ("cg/cpuset/s/i/cpuset.mems", "\n"),
    ("cg/memory/s/i/memory.usage_in_bytes", "2429308928\n"),
    ("cg/memory/s/i/memory.max_usage_in_bytes", "2741616640\n"),
    ("cg/memory/s/i/memory.limit_in_bytes", "9223372036854771712\n"),
    (
        "cg/memory/s/i/memory.stat",
        "cache 1\nrss 2\ntotal_cache 2064384\ntotal_rss 1769472\ntotal_rss_huge 0\n",
    ),
    ("cg/pids/s/i/pids.max", "max\n"),
    (
        "cg/blkio/s/i/blkio.throttle.io_service_bytes_recursive",
        "254:0 Read 4096\n254:0 Write 8192\n254:0 Total 12288\nTotal 12288\n",
    ),
];

// Formats from Documentation/admin-guide/cgroup-v2.rst and accounting/psi.rst.
const V2_FILES: &[(&str, &str)] = &[
    (
        "cg/unified/s/i/cpu.stat",
        "usage_usec 490821919\nuser_usec 425492135\nsystem_usec 65329783\nnr_periods 4\nnr_throttled 3\nthrottled_usec 20\n",
    ),
    (
        "cg/unified/s/i/cpu.pressure",
        "some avg10=1.03 avg60=2.09 avg300=2.84 total=25818395\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    ),
    ("cg/unified/s/i/memory.current", "1000\n"),
    ("cg/unified/s/i/memory.max", "max\n"),
    ("cg/unified/s/i/memory.stat", "anon 500\nfile 400\nkernel 100\n"),
    ("cg/unified/s/i/pids.max", "max\n"),
    (
        "cg/unified/s/i/io.stat",
        "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=0 dios=0\n",
    ),
    ("cg/unified/s/i/cpuset.cpus", "\n"),
];

#[test]
fn version_1_is_read_and_limited() {
    let (root, hierarchies) = machine(V1_MOUNTS, V1_FILES);
    assert_eq!(hierarchies.version(), Version::V1);
    let group = hierarchies.create("s/i", Some(&budget())).expect("create");
    let stats = group.stats();
    assert_eq!(stats.cpu_total_ns, Some(830_971_777_610));
    assert_eq!(stats.cpu_user_ns, Some(728_170_000_000));
    assert_eq!((stats.throttled_periods, stats.throttled_ns), (Some(0), Some(0)));
    assert_eq!((stats.memory_current, stats.memory_peak), (Some(2_429_308_928), Some(2_741_616_640)));
    assert_eq!((stats.memory_rss, stats.memory_file), (Some(1_769_472), Some(2_064_384)));
    assert_eq!((stats.io_read_bytes, stats.io_write_bytes), (Some(4096), Some(8192)));
    assert_eq!((stats.pressure_cpu_us, stats.pids_current), (None, None));
    assert_eq!(content(&root, "cg/cpuset/s/cpuset.cpus"), "0-1");
    assert_eq!(content(&root, "cg/cpuset/s/cgroup.clone_children"), "1");
    assert_eq!(content(&root, "cg/cpuset/s/i/cpuset.cpus"), "1");
    assert_eq!(content(&root, "cg/cpuset/s/i/cpuset.mems"), "0");
    assert_eq!(content(&root, "cg/memory/s/i/memory.limit_in_bytes"), "67108864");
    assert_eq!(content(&root, "cg/pids/s/i/pids.max"), "300");
    assert_eq!(group.procs_files().len(), 5);
}

#[test]
fn version_2_is_read_and_limited_and_controllers_are_delegated() {
    let controllers = "cpuset cpu io memory hugetlb pids\n";
    let (root, hierarchies) = machine(
        V2_MOUNT,
        &[
            V2_FILES,
            &[
                ("cg/unified/cgroup.procs", "1\n"),
                ("cg/unified/cgroup.controllers", controllers),
                ("cg/unified/cgroup.subtree_control", "cpu memory pids\n"),
                ("cg/unified/s/cgroup.controllers", controllers),
                ("cg/unified/s/cgroup.subtree_control", ""),
                ("cg/unified/s/i/memory.swap.max", "max\n"),
            ],
        ]
        .concat(),
    );
    assert_eq!(hierarchies.version(), Version::V2);
    hierarchies.writable("s").expect("writable");
    let stats = hierarchies.create("s/i", Some(&budget())).expect("create").stats();
    assert_eq!((stats.cpu_total_ns, stats.cpu_system_ns), (Some(490_821_919_000), Some(65_329_783_000)));
    assert_eq!((stats.throttled_periods, stats.throttled_ns), (Some(3), Some(20_000)));
    assert_eq!((stats.memory_current, stats.memory_peak, stats.memory_rss), (Some(1000), None, Some(500)));
    assert_eq!((stats.io_read_bytes, stats.io_write_bytes), (Some(91_889_664), Some(613_781_504)));
    assert_eq!((stats.pressure_cpu_us, stats.pressure_io_us), (Some(25_818_395), None));
    assert_eq!(content(&root, "cg/unified/cgroup.subtree_control"), "+cpuset +io");
    assert_eq!(content(&root, "cg/unified/s/cgroup.subtree_control"), "+cpuset +cpu +memory +io +pids");
    assert_eq!(content(&root, "cg/unified/s/i/cpuset.cpus"), "1");
    assert_eq!(content(&root, "cg/unified/s/i/memory.max"), "67108864");
    assert_eq!(content(&root, "cg/unified/s/i/memory.swap.max"), "0");
    assert_eq!(content(&root, "cg/unified/s/i/pids.max"), "300");
}

#[test]
fn a_machine_without_the_controller_pids_limits_the_rest() {
    let no_pids: Vec<_> = V1_FILES.iter().filter(|(file, _)| !file.contains("pids")).copied().collect();
    let mounts: String =
        V1_MOUNTS.lines().filter(|line| !line.contains("pids")).map(|l| format!("{l}\n")).collect();
    let (root, hierarchies) = machine(&mounts, &no_pids);
    let group = hierarchies.create("s/i", Some(&budget())).expect("create");
    assert_eq!(content(&root, "cg/memory/s/i/memory.limit_in_bytes"), "67108864");
    assert!(!hierarchies.limits_tasks() && group.tasks().is_none());
    assert!(group.limits(&budget()).iter().all(|(_, file, _)| *file != "pids.max"));
}

#[test]
fn a_group_that_is_reused_loses_its_earlier_limit() {
    let (root, hierarchies) = machine(V1_MOUNTS, V1_FILES);
    assert!(hierarchies.limits_tasks());
    let group = hierarchies.create("s/i", Some(&budget())).expect("create");
    assert!(group.limits(&budget()).contains(&(Version::V1, "pids.max", "300".to_owned())));
    let unlimited = Budget { processes: None, ..budget() };
    hierarchies.create("s/i", Some(&unlimited)).expect("take over");
    assert_eq!(content(&root, "cg/pids/s/i/pids.max"), "max");
    assert!(group.limits(&unlimited).iter().all(|(_, file, _)| *file != "pids.max"));
}

#[test]
fn the_smallest_limit_of_tasks_is_found_on_any_level() {
    let tasks = |files: &[(&str, &str)]| {
        let (_root, hierarchies) = machine(V2_MOUNT, files);
        hierarchies.open("s/i").tasks()
    };
    let own = ("cg/unified/s/i/pids.max", "500\n");
    let found = tasks(&[own, ("cg/unified/s/i/pids.events", "max 2\n")]);
    assert_eq!(found, Some(Tasks { limit: Some(500), refused: 2 }));
    // Podman sets it like this: first before Linux 6.11, then since then.
    let open = ("cg/unified/s/i/pids.max", "max\n");
    let below = [("cg/unified/s/i/c/pids.max", "400\n"), ("cg/unified/s/i/c/pids.events", "max 3\n")];
    let found = tasks(&[&[open, ("cg/unified/s/i/pids.events", "max 0\n")], &below[..]].concat());
    assert_eq!(found, Some(Tasks { limit: Some(400), refused: 3 }));
    let counted =
        [("cg/unified/s/i/pids.events", "max 3\n"), ("cg/unified/s/i/pids.events.local", "max 0\n")];
    let found = tasks(&[&[open], &counted[..], &below[..]].concat());
    assert_eq!(found, Some(Tasks { limit: Some(400), refused: 3 }));
    assert_eq!(tasks(&[own, ("cg/unified/s/pids.max", "90\n")]), Some(Tasks { limit: Some(90), refused: 0 }));
    assert_eq!(tasks(&[open]), Some(Tasks { limit: None, refused: 0 }));
    assert_eq!(tasks(&[]), None);
}

fn hybrid(v2_controllers: &str) -> (tempfile::TempDir, Hierarchies) {
    let others: &[(&str, &str)] = &[
        ("cg/unified/cgroup.controllers", v2_controllers),
        ("cg/unified/cgroup.subtree_control", "\n"),
        ("cg/unified/s/cgroup.controllers", v2_controllers),
        ("cg/unified/s/cgroup.subtree_control", "\n"),
    ];
    machine(&format!("{V1_MOUNTS}{V2_MOUNT}"), &[V1_FILES, V2_FILES, others].concat())
}

#[test]
fn a_hybrid_machine_counts_with_version_1_and_reads_pressure_from_version_2() {
    let (root, hierarchies) = hybrid("io\n");
    assert_eq!(hierarchies.version(), Version::Hybrid);
    let group = hierarchies.create("/s/i", Some(&budget())).expect("create");
    assert_eq!(group.stats().cpu_total_ns, Some(830_971_777_610));
    assert_eq!(group.stats().pressure_cpu_us, Some(25_818_395));
    assert_eq!(content(&root, "cg/unified/s/i/cpuset.cpus"), "\n", "the controller is on version 1");
    assert_eq!(hierarchies.runtime_path("s/i"), "/s/i");
}

#[test]
fn a_version_2_without_needed_controllers_is_not_used_on_a_hybrid_machine() {
    let (_root, hierarchies) = hybrid("hugetlb\n");
    assert_eq!(hierarchies.version(), Version::Hybrid);
    let group = hierarchies.create("/s/i", Some(&budget())).expect("create");
    assert_eq!(group.stats().pressure_cpu_us, None);
    assert!(group.joining_files().iter().all(|file| file.ends_with("tasks")));
}

#[test]
fn a_counter_that_the_kernel_does_not_update_is_left_out() {
    let idle: &[(&str, &str)] = &[("cg/blkio/s/i/blkio.throttle.io_service_bytes_recursive", "Total 0\n")];
    let (_root, hierarchies) = machine(V1_MOUNTS, idle);
    assert_eq!(hierarchies.open("s/i").stats(), Default::default());
}

#[test]
fn paths_that_name_no_group_of_ours_are_refused() {
    let (_root, hierarchies) = machine(V2_MOUNT, &[]);
    for path in ["", "/", "..", "a/../..", "a//b", "."] {
        assert!(hierarchies.create(path, None).is_err(), "{path}");
        assert!(hierarchies.remove_tree(path).is_err(), "{path}");
    }
    assert!(!hierarchies.remove_tree("gone").expect("nothing to do"));
}

#[test]
fn each_reason_has_a_remedy() {
    let (_root, hierarchies) = machine(V2_MOUNT, &[("cg/unified/cgroup.controllers", "cpuset cpu pids\n")]);
    let missing = hierarchies.writable("s").expect_err("no memory controller");
    assert!(missing.reason.contains("memory") && missing.remedy.contains("Delegate"), "{missing}");
    let (_root, hierarchies) = machine(
        V2_MOUNT,
        &[
            ("cg/unified/cgroup.controllers", "cpuset memory\n"),
            ("cg/unified/cgroup.procs", "1\n77\n"),
            ("cg/unified/cgroup.subtree_control", "\n"),
            ("cg/unified/cgroup.type", "domain\n"),
        ],
    );
    let occupied = hierarchies.writable("s").expect_err("processes inside");
    assert!(occupied.reason.contains("contains processes"), "{occupied}");
}

#[test]
fn a_machine_without_cgroups_says_so() {
    let root = tempfile::tempdir().expect("temporary folder");
    let error = Hierarchies::discover_in(root.path()).expect_err("no mount table");
    assert!(error.to_string().contains("mountinfo"), "{error}");
    fs::create_dir_all(root.path().join("proc/self")).expect("folder");
    fs::write(root.path().join("proc/self/mountinfo"), "22 27 0:21 / /proc rw - proc proc rw\n")
        .expect("file");
    let error = Hierarchies::discover_in(Path::new(root.path())).expect_err("no cgroups");
    assert_eq!(error.source.to_string(), "none is mounted");
}

#[test]
fn a_quota_is_written_to_the_hierarchy_of_the_controller() {
    let ms = Duration::from_millis;
    let v1 =
        [("cg/cpu,cpuacct/s/cpu.cfs_period_us", "100000\n"), ("cg/cpu,cpuacct/s/cpu.cfs_quota_us", "-1\n")];
    let (root, hierarchies) = machine(V1_MOUNTS, &v1);
    hierarchies.open("s").throttle(ms(16), ms(20)).expect("written");
    assert_eq!(v1.map(|(file, _)| content(&root, file)), ["20000", "16000"]);
    let (root, hierarchies) = machine(V2_MOUNT, &[("cg/unified/s/cpu.max", "max 100000\n")]);
    hierarchies.open("s").throttle(ms(10), ms(20)).expect("written");
    assert_eq!(content(&root, "cg/unified/s/cpu.max"), "10000 20000");
    assert!(hierarchies.open("elsewhere").throttle(ms(10), ms(20)).is_err());
}
