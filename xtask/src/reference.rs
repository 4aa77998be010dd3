//! `docs/environments.md`, written from the registry and from what is tested.

use crate::root;
use anyhow::{Context, Result};
use isotare_core::{Driver, Kind, SettingDef};
use isotare_drivers::DRIVERS;
use isotare_testkit::coverage::{COVERAGE, Tested};
use isotare_testkit::lab::{LABS, Lab, Step};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "\
# Environments

Written by `cargo xtask docs` from the drivers and from the list over which the conformance suite runs; do not edit. A
capability is the runtime's; where its row says that a thing was tested, the conformance suite passed with it. Results from a
lab (a virtual machine under software emulation, booted by the tests) prove that a driver works, never how fast anything is.

";

/// The page's folder and name.
pub fn page() -> PathBuf {
    root().join("docs/environments.md")
}

/// Writes the page.
pub fn write() -> Result<()> {
    fs::write(page(), text()).with_context(|| format!("write {}", page().display()))
}

/// What is wrong with it, and with the pages of drivers.
pub fn complaints() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    if fs::read_to_string(page()).unwrap_or_default() != text() {
        complaints.push("docs/environments.md is not current: run `cargo xtask docs`".to_owned());
    }
    let titles = titles()?;
    for driver in DRIVERS {
        let name = driver.name();
        if !titles.contains(name) {
            complaints.push(format!("driver {name} has no page in docs/drivers (its title names drivers)"));
        }
        if !COVERAGE.iter().any(|(spec, _)| driver_of(spec) == name) {
            complaints.push(format!("coverage.rs does not say where driver {name} is tested"));
        }
    }
    Ok(complaints)
}

/// The drivers that pages are about: a title is `# runc, crun`.
fn titles() -> Result<BTreeSet<String>> {
    let mut titles = BTreeSet::new();
    for entry in fs::read_dir(root().join("docs/drivers")).context("read docs/drivers")? {
        let text = fs::read_to_string(entry.context("read docs/drivers")?.path()).context("read a page")?;
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        titles.extend(title.split(", ").map(str::to_owned));
    }
    Ok(titles)
}

fn driver_of(spec: &str) -> &str {
    spec.split(':').next().unwrap_or(spec)
}

fn text() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("## What each can do\n\n");
    text.push_str("| environment | own kernel | host's files | without root | pause | network | storage |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for driver in DRIVERS {
        let can = driver.capabilities();
        let mark = |holds| if holds { "yes" } else { "no" };
        line(
            &mut text,
            &[
                &format!("`{}`", driver.name()),
                mark(can.own_kernel),
                mark(can.host_files),
                mark(can.rootless),
                mark(can.pause),
                &choices(*driver, &["network", "nic", "vhost"]),
                &choices(*driver, &["image", "root", "storage", "disk", "bus", "cache", "aio"]),
            ],
        );
    }
    text.push_str("\nEvery environment executes programs through the agent, with arguments, environment, input, signals and\nexit status.\n");
    text.push_str("\n## What isolates it\n\n| environment | kernel | system calls that reach the host's | root inside is | sources |\n|---|---|---|---|---|\n");
    for driver in DRIVERS {
        let facts = driver.isolation();
        let name = format!("`{}`", driver.name());
        line(&mut text, &[&name, facts.kernel, facts.system_calls, facts.root, &facts.sources.join(", ")]);
    }
    text.push_str("\n## Where it is tested\n\n| environment | conformance suite |\n|---|---|\n");
    for (spec, tested) in COVERAGE {
        line(&mut text, &[&format!("`{spec}`"), &where_tested(spec, *tested)]);
    }
    text
}

/// On the host, by hand or never, as the list says, and in every lab that has it as a step.
fn where_tested(spec: &str, tested: Tested) -> String {
    let has =
        |lab: &&Lab| lab.steps.iter().any(|step| matches!(step, Step::Conformance(name) if *name == spec));
    let labs = LABS.iter().filter(has).map(|lab| format!("CI, in the lab `{}`", lab.name));
    let listed = (!matches!(tested, Tested::Lab(_))).then(|| tested.describe());
    listed.into_iter().chain(labs).collect::<Vec<_>>().join("; ")
}

fn line(text: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "| {} |", cells.join(" | "));
}

/// The settings of these keys, each with the words that it takes.
fn choices(driver: &dyn Driver, keys: &[&str]) -> String {
    let known = driver.settings();
    let shown = keys.iter().filter_map(|key| known.iter().find(|def| def.key == *key)).map(describe);
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "–".to_owned() } else { shown.join("; ") }
}

fn describe(def: &SettingDef) -> String {
    match &def.kind {
        Kind::Choice(words) => format!("`{}` {}", def.key, words.join(", ")),
        _ => format!("`{}`", def.key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::{EnvironmentSpec, Settings};

    #[test]
    fn every_tested_spec_is_one_that_its_driver_takes() {
        for (text, _) in COVERAGE {
            let spec: EnvironmentSpec = text.parse().expect(text);
            let driver = isotare_drivers::find(&spec.driver).expect(text);
            Settings::check(text, driver.settings(), spec.pairs()).expect(text);
        }
    }
}
