//! `cargo xtask labs [NAME…]`: tests on lab hosts, machines under software emulation with features that this
//! machine does not have.

use crate::{cargo, newest_agent, root};
use anyhow::{Context, Result, bail};
use isotare_testkit::lab::{self, Image, LABS, Lab, Program};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The test programs that labs call: cargo's package and target, and their name there.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("isotare", "conformance", "conformance"),
    ("isotare", "isotare", "isotare"),
    ("isotare-cgroup", "real", "cgroup-tests"),
];

/// Labs that run side by side: each is busy with one processor for most of its time.
const AT_ONCE: usize = 2;

/// Creates the missing images of all labs, if labs can be used here.
pub fn prepare() -> Result<()> {
    if lab::missing().is_none() {
        for lab in LABS {
            image(lab)?;
        }
    }
    Ok(())
}

/// Runs the labs of these names, or all, and adds their lines to the tally.
pub fn labs(names: &[String], tally: &mut Vec<String>) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| LABS.iter().all(|lab| lab.name != **name)) {
        let known: Vec<&str> = LABS.iter().map(|lab| lab.name).collect();
        bail!("the lab '{unknown}' is not known; known labs: {}", known.join(", "));
    }
    let chosen = || LABS.iter().filter(|lab| names.is_empty() || names.iter().any(|name| lab.name == name));
    let images = match lab::missing() {
        Some(why) => Err(anyhow::anyhow!("{why}")),
        None => chosen().map(|lab| Ok((lab, image(lab)?))).collect::<Result<Vec<(&Lab, Image)>>>(),
    };
    let labs = match images {
        Ok(labs) => labs,
        Err(why) if std::env::var_os("CI").is_some() => return Err(why.context("labs have to run here")),
        Err(why) => {
            tally.extend(chosen().map(|lab| format!("skipped lab {}: {why:#}", lab.name)));
            return Ok(());
        }
    };
    let programs = programs()?;
    let next = AtomicUsize::new(0);
    let found = Mutex::new((tally, Vec::new()));
    let work = || {
        while let Some((lab, image)) = labs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begin = Instant::now();
            let ran = lab::run(lab, image, &programs, &folder().join(lab.name));
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match ran {
                Ok((lines, durations)) => {
                    println!("lab {}: {} s; inside: {durations}", lab.name, begin.elapsed().as_secs());
                    found.0.extend(lines);
                }
                Err(why) => found.1.push(why),
            }
        }
    };
    // A machine dies with the thread that started it.
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let (_, failures) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n\n")) }
}

fn folder() -> PathBuf {
    root().join("target/labs")
}

fn image(lab: &Lab) -> Result<Image> {
    Image::build(lab.packages, &folder())
        .map_err(|why| anyhow::anyhow!("make the image of lab {}: {why}", lab.name))
}

fn programs() -> Result<Vec<Program>> {
    let mut build = cargo(&["test", "--no-run", "--quiet", "--message-format=json"]);
    build.args(["--package", "isotare", "--package", "isotare-cgroup"]);
    let output = build.current_dir(root()).stderr(Stdio::inherit()).output().context("start cargo")?;
    if !output.status.success() {
        bail!("build the programs of the labs: {}", output.status);
    }
    // One message a line; those with an executable are programs.
    let messages: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let mut programs = vec![Program { name: "isotare-agent", path: newest_agent("debug")? }];
    for (package, target, name) in PROGRAMS {
        let is_it = |message: &&Value| {
            let package_id = message["package_id"].as_str().unwrap_or_default();
            message["target"]["name"] == target
                && package_id.contains(&format!("/{package}#"))
                && message["executable"].is_string()
                // A library or program of the same name built as a test is not meant.
                && (message["profile"]["test"] == false || message["target"]["kind"][0] == "test")
        };
        let path = messages.iter().find(is_it).and_then(|message| message["executable"].as_str());
        let path = path.with_context(|| format!("find the program {target} of {package}"))?;
        programs.push(Program { name, path: path.into() });
    }
    Ok(programs)
}
