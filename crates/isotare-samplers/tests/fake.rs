//! Tests of the process sampler with fake trees of `/proc`: kernels without lists of children, and files that
//! cannot be read.

use isotare_core::{Footprint, Member, Reading, Role, Sampler, Timestamp};
use isotare_samplers::{Closing, ProcessSampler};
use std::fs;
use tempfile::TempDir;

fn put(root: &TempDir, path: &str, text: &str) {
    let path = root.path().join("proc").join(path);
    fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
    fs::write(path, text).expect("file");
}

/// A process with `user` ticks of its own and `reaped` ticks of its children.
fn process(root: &TempDir, pid: u32, parent: u32, user: u64, reaped: u64) {
    let stat = format!(
        "{pid} (x y) S {parent} 0 0 0 -1 0 0 0 0 0 {user} 0 {reaped} 0 20 0 1 0 {pid}000 0 10 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n"
    );
    put(root, &format!("{pid}/stat"), &stat);
}

fn footprint(members: &[(Role, u32)]) -> Footprint {
    let member = |&(role, pid): &(Role, u32)| Member::new(role, pid);
    Footprint { members: members.iter().map(member).collect(), cgroup: None }
}

fn read(sampler: &mut ProcessSampler, footprint: &Footprint, at: u64) -> Vec<Reading> {
    let mut out = Vec::new();
    sampler.read(footprint, Timestamp(at), &mut out).expect("readable");
    out
}

fn user(readings: &[Reading], role: Role) -> f64 {
    let wanted = |r: &&Reading| r.metric == "cpu_user" && r.role == Some(role);
    let seconds = readings.iter().find(wanted).expect("read").value;
    (seconds * rustix::param::clock_ticks_per_second() as f64).round()
}

#[test]
fn without_lists_of_children_parents_are_used_and_unreadable_values_are_left_out() {
    let root = tempfile::tempdir().expect("temporary folder");
    process(&root, 10, 1, 5, 0);
    process(&root, 11, 10, 7, 0);
    process(&root, 12, 11, 100, 0);
    process(&root, 13, 1, 1000, 0);
    put(&root, "11/io", "read_bytes: 1\nwrite_bytes: 2\ncancelled_write_bytes: 0\n");
    let mut sampler = ProcessSampler::new(root.path(), Closing::default()).expect("there is a /proc");
    let readings = read(&mut sampler, &footprint(&[(Role::Workload, 10), (Role::Vmm, 12)]), 0);
    assert_eq!(user(&readings, Role::Workload), 12.0);
    assert_eq!(user(&readings, Role::Vmm), 100.0);
    for absent in ["read_bytes", "run_delay", "voluntary_switches", "pss"] {
        assert!(readings.iter().all(|reading| reading.metric != absent), "{absent}");
    }
}

#[test]
fn totals_never_fall_and_nothing_is_counted_twice() {
    let root = tempfile::tempdir().expect("temporary folder");
    let footprint = footprint(&[(Role::Shim, 10), (Role::Workload, 11)]);
    process(&root, 10, 1, 5, 0);
    process(&root, 11, 10, 50, 0);
    let mut sampler = ProcessSampler::new(root.path(), Closing::default()).expect("there is a /proc");
    read(&mut sampler, &footprint, 0);
    // The workload used 8 more ticks, of which 2 are seen. Then it ended, and its parent waited for it.
    process(&root, 11, 10, 52, 0);
    read(&mut sampler, &footprint, 1);
    fs::remove_dir_all(root.path().join("proc/11")).expect("gone");
    process(&root, 10, 1, 6, 58);
    let after = read(&mut sampler, &footprint, 2);
    assert_eq!((user(&after, Role::Workload), user(&after, Role::Shim)), (52.0, 12.0));
    // A process that reuses the id of a member is not this member.
    process(&root, 11, 10, 9, 0);
    let stat = fs::read_to_string(root.path().join("proc/11/stat")).expect("stat");
    put(&root, "11/stat", &stat.replace("11000", "99000"));
    let later = read(&mut sampler, &footprint, 3);
    assert_eq!(user(&later, Role::Workload), 52.0);
}

#[test]
fn a_task_that_did_not_run_is_not_read_again() {
    let root = tempfile::tempdir().expect("temporary folder");
    let footprint = footprint(&[(Role::Workload, 10)]);
    process(&root, 10, 1, 5, 0);
    process(&root, 11, 10, 7, 0);
    put(&root, "10/task/10/schedstat", "50 0 1\n");
    put(&root, "11/task/11/schedstat", "70 0 1\n");
    let mut sampler = ProcessSampler::new(root.path(), Closing::default()).expect("there is a /proc");
    for at in 0..3 {
        assert_eq!(user(&read(&mut sampler, &footprint, at), Role::Workload), 12.0);
    }
    // These values are impossible on a real kernel. They show which files are read.
    process(&root, 10, 1, 6, 0);
    process(&root, 11, 10, 9, 0);
    assert_eq!(user(&read(&mut sampler, &footprint, 3), Role::Workload), 12.0);
    put(&root, "11/task/11/schedstat", "90 0 1\n");
    assert_eq!(user(&read(&mut sampler, &footprint, 4), Role::Workload), 14.0);
    put(&root, "10/task/10/schedstat", "60 0 1\n");
    assert_eq!(user(&read(&mut sampler, &footprint, 5), Role::Workload), 15.0);
}
