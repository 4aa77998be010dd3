//! Tests that each rung of the ladder differs from the rung below by exactly its mechanism, as the kernel
//! shows it.

use crate::field::{Field, bring_up, field, take_down};
use isotare_core::{Image, Settings};
use std::collections::BTreeSet;
use std::fs;

const RUNGS: [&str; 14] = [
    "none",
    "cgroup",
    "mount",
    "pid",
    "uts",
    "ipc",
    "net",
    "user",
    "cgroupns",
    "root",
    "capabilities",
    "no-new-privs",
    "seccomp",
    "veth",
];

/// The mechanisms that are applied to a process, as the kernel shows them.
fn seen(field: &Field, spec: (&str, &str)) -> BTreeSet<&'static str> {
    let driver = isotare_drivers::find("ladder").expect("registered");
    let settings = Settings::check("ladder", driver.settings(), [spec]).expect("valid");
    let work = field.folder.path().join(spec.0).join(spec.1);
    fs::create_dir_all(&work).expect("a folder");
    let environment = driver.prepare(&settings, &Image::default(), &field.context(&work)).expect("prepared");
    let trial = field.trial(&format!("{}-{}", spec.0, spec.1));
    let cx = trial.context(&field.state, &field.session);
    let (instance, agent) = bring_up(&*environment, &cx);
    let pid = instance.footprint().members[0].pid;
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("readable");
    let status = read("status");
    let field_is = |line: &str| status.lines().any(|found| found == line);
    let other = |kind: &str| {
        let link = |whose: &str| fs::read_link(format!("/proc/{whose}/ns/{kind}")).expect("readable");
        link(&pid.to_string()) != link("self")
    };
    let is_overlay = |line: &str| line.split(' ').nth(4) == Some("/") && line.contains(" - overlay ");
    let root = read("mountinfo").lines().any(is_overlay);
    let found = [
        ("cgroup", read("cgroup").contains(&trial.cgroup)),
        ("mount", other("mnt")),
        ("pid", other("pid")),
        ("uts", other("uts")),
        ("ipc", other("ipc")),
        ("net", other("net")),
        ("user", other("user")),
        ("cgroupns", other("cgroup")),
        ("root", root),
        ("capabilities", field_is("CapBnd:\t00000000a80425fb") && field_is("CapEff:\t00000000a80425fb")),
        ("no-new-privs", field_is("NoNewPrivs:\t1")),
        ("seccomp", field_is("Seccomp:\t2")),
        ("veth", read("net/dev").contains("eth0:") && other("net")),
    ];
    take_down(instance, agent, &cx);
    found.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[test]
fn each_rung_adds_one_mechanism() {
    let Some(field) = field() else { return };
    for (index, rung) in RUNGS.iter().enumerate() {
        let expected: BTreeSet<&str> = RUNGS[1..=index].iter().copied().collect();
        assert_eq!(seen(&field, ("upto", rung)), expected, "upto={rung}");
    }
    assert_eq!(field.leftovers(), Vec::<String>::new());
}

#[test]
fn each_mechanism_works_alone() {
    let Some(field) = field() else { return };
    for rung in RUNGS {
        let needed = match rung {
            "none" => vec![],
            "root" => vec!["mount", "root"],
            "veth" => vec!["net", "veth"],
            other => vec![other],
        };
        assert_eq!(seen(&field, ("only", rung)), needed.into_iter().collect(), "only={rung}");
    }
    assert_eq!(field.leftovers(), Vec::<String>::new());
}
