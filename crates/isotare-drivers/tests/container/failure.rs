//! Tests with parts that fail or hang.

use crate::field::{Field, bring_up, field, take_down};
use isotare_core::{DriverError, Environment, InstanceContext, with_sources};
use isotare_host::{deadline_in, now};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("there");
}

/// A time that is shorter than the deadline of a trial, 20 s, and long enough for everything that ends
/// normally.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until nothing of the session is left. After thirty seconds, returns what is left.
fn settled(field: &Field) -> Vec<String> {
    for _ in 0..600 {
        if field.leftovers().is_empty() {
            return Vec::new();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    field.leftovers()
}

fn broker_of(environment: &dyn Environment, cx: &InstanceContext<'_>) -> u32 {
    let mut instance = environment.create(cx).expect("created");
    let broker = instance.footprint().members[1].pid;
    instance.delete(cx).expect("deleted without a start");
    std::fs::remove_file(cx.control_socket()).expect("removed");
    broker
}

#[test]
fn a_killed_broker_is_an_error_and_the_next_trial_has_a_new_one() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (mut instance, agent) = bring_up(&*environment, &cx);
    signal(instance.footprint().members[1].pid, Signal::KILL);
    let error = instance.stop(Duration::from_secs(5), &cx).expect_err("the broker is gone");
    let error = with_sources(&error);
    assert!(error.contains("container broker has ended") && error.contains("signal: 9"), "{error}");
    drop(agent);
    instance.delete(&cx).expect("removed without the broker");
    assert_eq!(settled(&field), Vec::<String>::new());
    let trial = field.trial("b");
    let cx = trial.context(&field.state, &field.session);
    let (instance, agent) = bring_up(&*environment, &cx);
    take_down(instance, agent, &cx);
    drop(environment);
    assert_eq!(field.sweep(), 0);
}

#[test]
fn resources_of_a_killed_broker_are_removed() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (instance, _agent) = bring_up(&*environment, &cx);
    signal(instance.footprint().members[1].pid, Signal::KILL);
    std::mem::forget((instance, environment));
    assert!(field.sweep() > 0);
    assert_eq!(settled(&field), Vec::<String>::new());
    assert_eq!(field.sweep(), 0);
}

#[test]
fn waiting_for_a_broker_that_hangs_ends_at_the_deadline_and_at_an_interrupt() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let broker = broker_of(&*environment, &cx);
    signal(broker, Signal::STOP);
    let begin = now();
    let late = cx.until(begin.plus(Duration::from_millis(200)));
    let error = environment.create(&late).map(drop).expect_err("hangs");
    assert!(matches!(error, DriverError::TimedOut { .. }), "{error}");
    assert!(now().since(begin) < PATIENCE, "it is left at its own deadline");
    std::fs::remove_file(cx.control_socket()).expect("removed");
    field.interrupt.raise();
    let error = environment.create(&cx).map(drop).expect_err("interrupted");
    assert!(matches!(error, DriverError::Interrupted), "{error}");
    // Late answers to questions that were given up must not be used for later questions.
    signal(broker, Signal::CONT);
    std::fs::remove_file(cx.control_socket()).expect("removed");
    let trial = field.trial("b");
    let mut cx = trial.context(&field.state, &field.session);
    cx.deadline = deadline_in(Duration::from_secs(20), &isotare_core::Interrupt::default());
    let (instance, agent) = bring_up(&*environment, &cx);
    take_down(instance, agent, &cx);
    drop(environment);
    assert_eq!(settled(&field), Vec::<String>::new());
}

#[test]
fn a_broker_that_hangs_at_delete_is_killed() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (mut instance, _agent) = bring_up(&*environment, &cx);
    signal(instance.footprint().members[1].pid, Signal::STOP);
    let error = instance.delete(&cx.until(now().plus(Duration::from_millis(200)))).expect_err("hangs");
    assert!(matches!(error, DriverError::TimedOut { .. }), "{error}");
    assert_eq!(settled(&field), Vec::<String>::new());
    instance.delete(&cx).expect("again");
}

#[test]
fn a_program_that_ends_at_once_is_reported_before_the_deadline() {
    let Some(mut field) = field() else { return };
    // The image has no C library, so a dynamically linked program cannot start. `true` would also end at
    // once.
    field.agent = "/bin/true".into();
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let begin = now();
    let mut instance = environment.create(&cx).expect("created");
    let ready = instance.start(&cx).and_then(|()| instance.wait_ready(&cx).map(drop));
    assert!(ready.is_err() && now().since(begin) < PATIENCE);
    instance.delete(&cx).expect("deleted");
    drop((instance, environment));
    assert_eq!(settled(&field), Vec::<String>::new());
    assert_eq!(field.sweep(), 0);
}

#[test]
fn a_workload_that_ignores_the_signal_is_killed_after_the_grace_period() {
    let Some(field) = field() else { return };
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let (mut instance, agent) = bring_up(&*environment, &cx);
    let error = instance.stop(Duration::from_millis(100), &cx).expect_err("it was not told to end");
    assert!(matches!(error, DriverError::TimedOut { .. }), "{error}");
    drop(agent);
    instance.delete(&cx).expect("deleted");
    drop((instance, environment));
    assert_eq!(settled(&field), Vec::<String>::new());
}

/// The process that is killed is this test program, which runs itself again with [`victim`].
#[test]
fn a_broker_outlives_a_killed_session_to_remove_what_it_made() {
    let Some(field) = field() else { return };
    let ready = field.folder.path().join("ready");
    let mut owner = std::process::Command::new("/proc/self/exe")
        .args(["--exact", "failure::victim", "--ignored", "--nocapture"])
        .env("VICTIM_READY", &ready)
        .env("TMPDIR", field.folder.path())
        .spawn()
        .expect("starts");
    let end = now().plus(Duration::from_secs(20));
    while !ready.exists() && now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let session = std::fs::read_to_string(&ready).expect("the owner came so far");
    let own = std::mem::ManuallyDrop::new(field);
    let groups = || own_groups(&session);
    assert!(!groups().is_empty());
    owner.kill().expect("killed");
    owner.wait().expect("reaped");
    let end = now().plus(Duration::from_secs(60));
    while !(groups().is_empty() && own.leftovers().is_empty()) && now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let left = (groups(), own.leftovers());
    if let Ok(hierarchies) = isotare_cgroup::Hierarchies::discover() {
        hierarchies.remove_tree(&format!("isotare/{session}")).expect("removed");
    }
    assert_eq!(left, (Vec::new(), Vec::new()));
    drop(std::mem::ManuallyDrop::into_inner(own));
}

/// The groups of a session's instances in all hierarchies with a budget.
fn own_groups(session: &str) -> Vec<String> {
    let hierarchies = ["cpuset/", "memory/", "pids/", ""];
    let parents = hierarchies.map(|name| format!("/sys/fs/cgroup/{name}isotare/{session}"));
    let children =
        parents.iter().flat_map(|parent| std::fs::read_dir(parent).into_iter().flatten().flatten());
    children.filter(|e| e.path().is_dir()).map(|e| e.path().display().to_string()).collect()
}

#[test]
#[ignore = "runs until it is killed; started by another test"]
fn victim() {
    let Some(ready) = std::env::var_os("VICTIM_READY") else { return };
    let field = Field::new().expect("a field");
    let environment = field.prepare(&[]);
    let trial = field.trial("a");
    let cx = trial.context(&field.state, &field.session);
    let _life = bring_up(&*environment, &cx);
    std::fs::write(std::path::Path::new(&ready).with_extension("tmp"), &field.session).expect("written");
    std::fs::rename(std::path::Path::new(&ready).with_extension("tmp"), ready).expect("renamed");
    std::thread::sleep(Duration::from_secs(60));
}
