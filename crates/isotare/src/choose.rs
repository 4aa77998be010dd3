//! Which environments work here. Probes run beside each other: most of their time they wait.

use crate::machine::Machine;
use crate::output::say;
use crate::resolve;
use isotare_core::{
    Budget, Deadline, Driver, EnvironmentSpec, Exclusion, Interrupt, Ledger, PrepareContext, Resource,
    RuntimeInfo, Settings, Unavailable,
};
use isotare_host::{deadline_in, sweep};
use miette::Report;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Time that one probe may take. A probe boots an instance if that is necessary.
const PROBE: Duration = Duration::from_secs(60);
/// The same where the processor is emulated.
const PROBE_EMULATED: Duration = Duration::from_secs(200);

/// Probes at a time. More would not wait less, and would take the CPUs from one that boots something.
const AT_ONCE: usize = 4;

/// After this time it is told what is still being probed, and again whenever twice the time has passed.
const SILENCE: Duration = Duration::from_secs(4);

/// An environment and whether it works.
pub struct Probed {
    /// Its spec.
    pub environment: EnvironmentSpec,
    /// Version and details, or reason and remedy.
    pub found: Result<RuntimeInfo, Unavailable>,
}

/// Probes one environment in a folder of its own, and under a name of its own: others may be probed meanwhile.
pub fn probe(
    driver: &'static dyn Driver,
    settings: &Settings,
    machine: &Machine,
    budget: &Budget,
    interrupt: &Interrupt,
) -> Result<RuntimeInfo, Unavailable> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let session = format!("{}-p{}", machine.session, COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = machine.work.join(format!("probe{:08x}", rand::random::<u32>()));
    // Drivers make their groups below this one, which none of them removes.
    let group = Resource::Cgroup { path: format!("isotare/{session}") };
    let made = std::fs::create_dir(&folder).and_then(|()| machine.state().record(&group));
    made.map_err(|error| {
        Unavailable::new(
            format!("{} cannot be made: {error}", folder.display()),
            "free space or choose another --work",
        )
    })?;
    let patience = if isotare_facts::is_emulated() { PROBE_EMULATED } else { PROBE };
    let deadline: Deadline = deadline_in(patience, interrupt);
    let cx = PrepareContext {
        session: &session,
        work: &folder,
        agent: &machine.agent,
        budget,
        is_attached: false,
        ledger: machine.state(),
        deadline,
    };
    let found = driver.probe(settings, &cx);
    // The session's end removes what is left of both.
    let _leftover = isotare_files::remove_tree(&folder);
    let _recorded = sweep(&group, &deadline_in(PROBE, &Interrupt::default()));
    found
}

/// Probes every variant of every driver.
pub fn probe_all(machine: &Machine, budget: &Budget, interrupt: &Interrupt) -> Vec<Probed> {
    probe_variants(|_| true, false, machine, budget, interrupt)
}

/// Probes the drivers that a comparison uses by default, each up to its first variant that works.
pub fn probe_usual(machine: &Machine, budget: &Budget, interrupt: &Interrupt) -> Vec<Probed> {
    probe_variants(|name| isotare_drivers::USUAL.contains(&name), true, machine, budget, interrupt)
}

/// Probes each environment that has not been probed yet, whatever its replica.
pub fn probe_these(
    asked: &[EnvironmentSpec],
    machine: &Machine,
    budget: &Budget,
    interrupt: &Interrupt,
    probed: &mut Vec<Probed>,
) -> Result<(), Report> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for spec in asked {
        let environment = EnvironmentSpec { replica: None, ..spec.clone() };
        let is_known = probed.iter().map(|p| &p.environment).chain(candidates.iter().map(|c| &c.environment));
        if !is_known.into_iter().any(|known| *known == environment) {
            let (driver, settings) = resolve::environment(&environment)?;
            candidates.push(Candidate { environment, driver, settings });
        }
    }
    let one =
        |candidate: &Candidate| probe(candidate.driver, &candidate.settings, machine, budget, interrupt);
    probed.extend(all_of(candidates, false, at_once(), &one, &mut |line| say(line)));
    Ok(())
}

fn probe_variants(
    wanted: impl Fn(&str) -> bool,
    first_of_each: bool,
    machine: &Machine,
    budget: &Budget,
    interrupt: &Interrupt,
) -> Vec<Probed> {
    let mut candidates = Vec::new();
    for driver in isotare_drivers::DRIVERS.iter().filter(|driver| wanted(driver.name())) {
        for variant in driver.variants() {
            let text = if variant.is_empty() {
                driver.name().to_owned()
            } else {
                format!("{}:{variant}", driver.name())
            };
            let Ok(environment) = text.parse::<EnvironmentSpec>() else { continue };
            let Ok((driver, settings)) = resolve::environment(&environment) else { continue };
            candidates.push(Candidate { environment, driver, settings });
        }
    }
    let one =
        |candidate: &Candidate| probe(candidate.driver, &candidate.settings, machine, budget, interrupt);
    all_of(candidates, first_of_each, at_once(), &one, &mut |line| say(line))
}

/// An emulated processor is so slow that probes would take the time of each other.
fn at_once() -> usize {
    if isotare_facts::is_emulated() { 1 } else { AT_ONCE }
}

/// An environment to probe.
struct Candidate {
    environment: EnvironmentSpec,
    driver: &'static dyn Driver,
    settings: Settings,
}

/// What a thread says of a candidate, by its position.
enum News {
    Begins(usize),
    Ends(usize, Result<RuntimeInfo, Unavailable>),
}

/// Candidates that are probed one after the other, by their positions among all.
struct Lane {
    exclusion: Exclusion,
    driver: &'static str,
    positions: Vec<usize>,
}

/// Probes `at_once` lanes at a time and gives the results in the order of the candidates. Of each driver it stops at the first that
/// works, if only that is asked for. What takes long is told through `tell`.
fn all_of(
    candidates: Vec<Candidate>,
    first_of_each: bool,
    at_once: usize,
    probe: &(dyn Fn(&Candidate) -> Result<RuntimeInfo, Unavailable> + Sync),
    tell: &mut dyn FnMut(&str),
) -> Vec<Probed> {
    let lanes = Mutex::new(VecDeque::from(lanes(&candidates, first_of_each)));
    let mut found: Vec<Option<Result<RuntimeInfo, Unavailable>>> = candidates.iter().map(|_| None).collect();
    let (news, heard) = channel();
    thread::scope(|scope| {
        for _ in 0..at_once {
            let (news, lanes, candidates) = (news.clone(), &lanes, &candidates);
            scope.spawn(move || {
                let next = || lanes.lock().ok()?.pop_front();
                while let Some(lane) = next() {
                    go_through(&lane, candidates, first_of_each, probe, &news);
                }
            });
        }
        drop(news);
        let mut running: Vec<(usize, Instant)> = Vec::new();
        let (begun, mut silence) = (Instant::now(), SILENCE);
        loop {
            match heard.recv_timeout((begun + silence).saturating_duration_since(Instant::now())) {
                Ok(News::Begins(at)) => running.push((at, Instant::now())),
                Ok(News::Ends(at, result)) => {
                    running.retain(|(other, _)| *other != at);
                    found[at] = Some(result);
                }
                Err(RecvTimeoutError::Timeout) => {
                    silence *= 2;
                    tell(&still_probing(&running, &candidates));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    let results = candidates.into_iter().zip(found);
    results.filter_map(|(it, found)| Some(Probed { environment: it.environment, found: found? })).collect()
}

/// The lanes, those that take long first, so that nothing waits for them in the end.
fn lanes(candidates: &[Candidate], first_of_each: bool) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let driver = candidate.driver.name();
        let exclusion = match candidate.driver.exclusion() {
            Exclusion::Nothing if first_of_each => Exclusion::Driver,
            exclusion => exclusion,
        };
        let is_same = |lane: &&mut Lane| match exclusion {
            Exclusion::Nothing => false,
            Exclusion::Driver => lane.driver == driver,
            Exclusion::Boots => lane.exclusion == Exclusion::Boots,
        };
        match lanes.iter_mut().find(is_same) {
            Some(lane) => lane.positions.push(at),
            None => lanes.push(Lane { exclusion, driver, positions: vec![at] }),
        }
    }
    lanes.sort_by_key(|lane| match lane.exclusion {
        Exclusion::Boots => 0,
        Exclusion::Nothing => 1,
        Exclusion::Driver => 2,
    });
    lanes
}

fn go_through(
    lane: &Lane,
    candidates: &[Candidate],
    first_of_each: bool,
    probe: &(dyn Fn(&Candidate) -> Result<RuntimeInfo, Unavailable> + Sync),
    news: &Sender<News>,
) {
    let mut working: Vec<&str> = Vec::new();
    for &at in &lane.positions {
        let candidate = &candidates[at];
        if first_of_each && working.contains(&candidate.driver.name()) {
            continue;
        }
        let begun = Instant::now();
        // Nobody hears it only where the other side has panicked.
        let _unheard = news.send(News::Begins(at));
        let found = probe(candidate);
        tracing::debug!("probed {} in {:.2?}", candidate.environment, begun.elapsed());
        if found.is_ok() {
            working.push(candidate.driver.name());
        }
        let _unheard = news.send(News::Ends(at, found));
    }
}

fn still_probing(running: &[(usize, Instant)], candidates: &[Candidate]) -> String {
    let one = |(at, begun): &(usize, Instant)| {
        format!("{} ({} s)", candidates[*at].environment, begun.elapsed().as_secs())
    };
    format!("still probing {}", running.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn candidates(specs: &[&str]) -> Vec<Candidate> {
        let candidate = |spec: &&str| {
            let environment: EnvironmentSpec = spec.parse().expect("valid");
            let (driver, settings) = resolve::environment(&environment).expect("known");
            Candidate { environment, driver, settings }
        };
        specs.iter().map(candidate).collect()
    }

    fn works() -> Result<RuntimeInfo, Unavailable> {
        Ok(RuntimeInfo { version: "1".to_owned(), details: BTreeMap::new() })
    }

    fn names(probed: &[Probed]) -> Vec<String> {
        probed.iter().map(|p| p.environment.to_string()).collect()
    }

    /// The pairs of drivers that ran at the same time.
    fn run(specs: &[&str], at_once: usize) -> (Vec<Probed>, Vec<(String, String)>) {
        let (now, met) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let probe = |candidate: &Candidate| {
            let name = candidate.driver.name().to_owned();
            {
                let mut now = now.lock().expect("no panic");
                let others = now.iter().map(|other: &String| (other.clone(), name.clone()));
                met.lock().expect("no panic").extend(others);
                now.push(name.clone());
            }
            thread::sleep(Duration::from_millis(40));
            let mut now = now.lock().expect("no panic");
            let at = now.iter().position(|other| *other == name).expect("it runs");
            now.remove(at);
            works()
        };
        let probed = all_of(candidates(specs), false, at_once, &probe, &mut |_| {});
        (probed, met.into_inner().expect("no panic"))
    }

    #[test]
    fn probes_run_beside_each_other_but_not_those_of_an_engine_or_of_two_kernels() {
        let specs = [
            "ladder:upto=pid",
            "ladder:upto=uts",
            "native",
            "chroot",
            "runsc:platform=systrap",
            "runsc:platform=ptrace",
            "qemu:accel=kvm",
            "qemu:accel=tcg",
            "firecracker",
            "docker",
        ];
        let (probed, met) = run(&specs, 4);
        assert_eq!(names(&probed), specs, "in the order of the candidates");
        assert!(!met.is_empty(), "some ran at the same time");
        let boots = |name: &str| ["qemu", "firecracker"].contains(&name);
        for (one, other) in &met {
            assert!(
                !(boots(one) && boots(other)) && (one != other || one == "runsc"),
                "{one} beside {other}"
            );
        }
        assert_eq!(run(&specs, 1).1, [], "one at a time");
    }

    #[test]
    fn a_driver_is_probed_up_to_its_first_variant_that_works() {
        let probe = |candidate: &Candidate| match candidate.environment.to_string().as_str() {
            "qemu:accel=kvm" => Err(Unavailable::new("no", "none")),
            _ => works(),
        };
        let specs =
            ["native", "runsc:platform=systrap", "runsc:platform=ptrace", "qemu:accel=kvm", "qemu:accel=tcg"];
        let probed = all_of(candidates(&specs), true, 4, &probe, &mut |_| {});
        assert_eq!(names(&probed), ["native", "runsc:platform=systrap", "qemu:accel=kvm", "qemu:accel=tcg"]);
        assert!(probed[2].found.is_err() && probed[3].found.is_ok());
    }

    #[test]
    fn probes_that_take_long_are_named() {
        let begun = Instant::now().checked_sub(Duration::from_secs(7)).expect("the machine is older");
        let said = still_probing(&[(1, begun)], &candidates(&["native", "qemu:accel=tcg"]));
        assert_eq!(said, "still probing qemu:accel=tcg (7 s)");
    }
}
