//! The same tests without root: this test program runs itself again as the user nobody.

use crate::field::{Field, bring_up, checked, field, take_down};
use std::process::Command;

#[test]
fn an_ordinary_user_has_containers_too() {
    let Some(field) = field() else { return };
    let Some(setpriv) = isotare_host::find_program("setpriv") else {
        eprintln!("skipped: needs setpriv");
        return;
    };
    // Other users may not be allowed to enter the folders of the build.
    let copy = |from: &std::path::Path, name: &str| {
        let to = field.folder.path().join(name);
        std::fs::copy(from, &to).expect("copied");
        to
    };
    let test = copy(&std::env::current_exe().expect("known"), "test");
    let agent = copy(&field.agent, "agent");
    let home = field.folder.path().join("home");
    std::fs::create_dir(&home).expect("a folder");
    std::os::unix::fs::chown(&home, Some(65_534), Some(65_534)).expect("given");
    std::fs::set_permissions(field.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("opened");
    let output = Command::new(setpriv)
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(test)
        .args(["--exact", "rootless::as_nobody", "--ignored", "--nocapture"])
        .env("ISOTARE_AGENT", agent)
        .env("TMPDIR", home)
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    eprintln!("{text}");
    assert!(output.status.success());
    assert!(text.contains("1 passed"));
    assert_eq!(field.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "runs as another user; started by another test"]
fn as_nobody() {
    assert!(!rustix::process::geteuid().is_root());
    let Some(field) = Field::new() else { return };
    let work = field.folder.path().join("probe");
    std::fs::create_dir_all(&work).expect("a folder");
    let (driver, settings) = checked(&[("network", "veth")]);
    let refused = driver.probe(&settings, &field.context(&work)).expect_err("needs root").to_string();
    assert!(refused.contains("network=veth needs root"), "{refused}");
    let (driver, settings) = checked(&[]);
    match driver.probe(&settings, &field.context(&work)) {
        Ok(info) => assert_eq!(info.details["rootless"], "yes"),
        Err(unavailable) => {
            eprintln!("skipped: {unavailable}");
            return;
        }
    }
    let environment = field.prepare(&[]);
    for name in ["a", "b", "c"] {
        let trial = field.trial(name);
        let cx = trial.context(&field.state, &field.session);
        let (instance, mut agent) = bring_up(&*environment, &cx);
        let facts = agent.facts(&cx.deadline).expect("facts");
        assert_eq!(agent.hello().pid, 1);
        assert_eq!((facts["uid"].as_str(), facts["seccomp"].as_str()), ("0", "2"));
        take_down(instance, agent, &cx);
        assert!(!cx.work.join("upper").exists() && !cx.work.join("overlay").exists());
    }
    let trial = field.trial("d");
    let cx = trial.context(&field.state, &field.session);
    let (mut instance, _agent) = bring_up(&*environment, &cx);
    let broker = i32::try_from(instance.footprint().members[1].pid).expect("a process id");
    let broker = rustix::process::Pid::from_raw(broker).expect("a process id");
    rustix::process::kill_process(broker, rustix::process::Signal::KILL).expect("there");
    instance.delete(&cx).expect("removed without the broker");
    assert!(!cx.work.join("overlay").exists());
    println!("budget.enforced = {}", environment.facts()["budget.enforced"]);
    drop(environment);
    assert_eq!(field.leftovers(), Vec::<String>::new());
}
