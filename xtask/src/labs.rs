//! `cargo xtask labs [NAME…]`: tests on lab hosts, machines under software emulation with features that this
//! machine does not have.

use crate::programs::Programs;
use crate::{newest_agent, root};
use anyhow::{Result, bail};
use isotare_testkit::lab::{self, Image, LABS, Lab, Program};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
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

/// Runs the labs of these names, or all, and gives their lines for the tally. Where other work goes on beside them, `alone` says when
/// it has ended: until then one lab runs at a time.
pub fn labs(names: &[String], built: &Programs, alone: Receiver<()>) -> Result<Vec<String>> {
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
        Err(why) => return Ok(chosen().map(|lab| format!("skipped lab {}: {why:#}", lab.name)).collect()),
    };
    let programs = inside(built)?;
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), Vec::new()));
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
    std::thread::scope(|scope| {
        scope.spawn(work);
        // It also ends where whoever should say so is gone.
        let _alone_now = alone.recv();
        (1..AT_ONCE).for_each(|_| drop(scope.spawn(work)));
    });
    let (lines, failures) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() { Ok(lines) } else { bail!("{}", failures.join("\n\n")) }
}

fn folder() -> PathBuf {
    root().join("target/labs")
}

fn image(lab: &Lab) -> Result<Image> {
    Image::build(lab.packages, &folder())
        .map_err(|why| anyhow::anyhow!("make the image of lab {}: {why}", lab.name))
}

/// What labs call, out of one build.
fn inside(built: &Programs) -> Result<Vec<Program>> {
    let agent = Program { name: "isotare-agent", path: newest_agent("debug")? };
    let called = PROGRAMS
        .iter()
        .map(|(package, target, name)| Ok(Program { name, path: built.path(package, target)? }));
    std::iter::once(Ok(agent)).chain(called).collect()
}
