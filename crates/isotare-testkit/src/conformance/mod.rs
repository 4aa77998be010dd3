//! The rules for all drivers, checked with real runtimes.
//!
//! [`check`] checks all rules with one environment and reports those that fail. It is itself tested with
//! drivers that break one rule each (`faulty`).

mod absent;
mod budget;
mod contained;
mod crash;
mod exec;
mod life;
mod network;

use crate::bed::Bed;
use crate::tally;
pub use crash::{Rehearsal, STAGES};
use isotare_core::{Driver, EnvironmentSpec, Image, Settings, Unavailable};

/// A rule and its result.
#[derive(Debug)]
pub struct Finding {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// `Ok` if the rule holds; otherwise what was found.
    pub result: Result<(), String>,
}

type Rule = (&'static str, fn(&mut Bed<'_>) -> Result<(), String>);

const RULES: &[Rule] = &[
    ("the life cycle runs from create to delete", life::cycle),
    ("what was not started is not ready", life::order),
    ("what does not end by itself is ended after its grace", life::stop),
    ("exec passes arguments, environment and stdin, and returns output and exit status", exec::exec),
    ("signals reach what runs", exec::signals),
    ("a large output comes back whole on both streams", exec::large_output),
    ("a program that is not there is refused, and the instance lives on", exec::missing_program),
    ("a hundred execs work", exec::hundred),
    ("built-in workloads work", exec::builtin),
    ("an instance writes nothing into what the host reads", contained::control_folder),
    ("an instance with a root of its own sees no password hashes of the host", contained::closed_files),
    ("the instance sees the budget's CPUs", budget::cpus),
    ("a workload that wants more CPUs than the budget does not get them", budget::hog),
    ("a workload that wants more memory than the budget does not get it", budget::memory),
    ("a workload that wants more processes than the budget does not get them", budget::processes),
    ("delete works at every stage, twice, and without stop", life::deletes),
    ("two instances live side by side", life::two_at_once),
    ("an instance that has a name is not harmed by another of that name", life::taken_name),
    ("instances on a segment reach each other and the host", network::segment),
    ("an instance that dies is noticed", life::death),
];

/// An environment, and what its check needs.
pub struct Subject<'a> {
    /// Its driver.
    pub driver: &'a dyn Driver,
    /// Its spec.
    pub spec: &'a EnvironmentSpec,
    /// The content of instances: at least a shell, cat, sleep and mount.
    pub image: &'a Image,
    /// The agent's program.
    pub agent: &'a std::path::Path,
}

impl Subject<'_> {
    fn settings(&self) -> Result<Settings, Unavailable> {
        Settings::check(self.driver.name(), self.driver.settings(), self.spec.pairs())
            .map_err(|error| Unavailable::new(error.to_string(), "correct the spec"))
    }
}

/// Checks an environment. `rehearse` says how to run this program again for the rules that kill it.
pub fn check(subject: &Subject<'_>, rehearse: Option<&Rehearsal>) -> Result<Vec<Finding>, Unavailable> {
    let settings = subject.settings()?;
    let full = |error: String| Unavailable::new(error, "make room for tests");
    let mut bed = Bed::new(subject.agent).map_err(full)?;
    bed.probe(subject.driver, &settings)?;
    let mut findings = Vec::new();
    let mut find = |rule, result| findings.push(Finding { rule, result });
    let prepared = bed.prepare(subject.driver, &settings, subject.image);
    let ready = prepared.is_ok();
    find("prepare makes the environment ready", prepared);
    if let Some(why) = bed.unlimited() {
        tally::tell(&format!("skipped budget of {}: {why}", subject.spec));
    }
    if ready {
        RULES.iter().for_each(|(rule, holds)| find(rule, holds(&mut bed)));
    }
    find("nothing is left on the host", bed.leave(subject.driver));
    find("what is missing or broken is unavailable, with reason and remedy", absent::check(subject));
    if let Some(rehearsal) = rehearse.filter(|_| ready) {
        find("a kill at any stage leaves nothing that clean does not remove", rehearsal.check(subject));
    }
    Ok(findings)
}
