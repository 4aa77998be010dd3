//! G12: the canary marks artificial noise, and does not mark quiet blocks.

use super::hog::{Hog, Kind};
use super::program::Isotare;
use crate::goals::Goal;
use crate::noise::Source;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Blocks of a session: the first ones are quiet, so that the canary's reference is; of the others half, at
/// random.
const BLOCKS: u32 = 40;
const QUIET: u32 = 6;
/// A trial is slowed if it is slower than the quiet ones by so much.
const SLOWED: f64 = 0.03;
const WORKLOADS: [&str; 3] = ["cpu:time=200ms", "memory:time=200ms", "fileio:time=200ms,total=16M"];

/// Trials by what was done to them and what was said of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    slowed: usize,
    slowed_and_flagged: usize,
    quiet: usize,
    quiet_and_flagged: usize,
}

/// A session under each kind of noise.
pub fn g12(isotare: &Isotare) -> Result<Goal> {
    let mut all = Count::default();
    let mut figures = Vec::new();
    for (kind, seed) in [(Kind::Spinners, 1), (Kind::Memory, 2), (Kind::Files, 3)] {
        let labels = labels(seed);
        let report = session(isotare, kind, &labels)?;
        let found = count(&report, &labels);
        figures.push(format!("{kind:?} {} of {}", found.slowed_and_flagged, found.slowed).to_lowercase());
        all = all.plus(found);
    }
    let caught = all.slowed_and_flagged as f64 / all.slowed as f64;
    let alarms = all.quiet_and_flagged as f64 / all.quiet as f64;
    Ok(Goal {
        id: "G12",
        promise: "the canary marks the blocks of 80 % of the trials that artificial noise slows by more than \
                  3 %, and at most 5 % of the others",
        figure: format!(
            "{:.0} % ({}); {:.1} % of {} quiet trials",
            100.0 * caught,
            figures.join(", "),
            100.0 * alarms,
            all.quiet
        ),
        met: caught >= 0.8 && alarms <= 0.05,
    })
}

/// Which blocks get noise.
fn labels(seed: u64) -> Vec<bool> {
    let mut source = Source::new(seed);
    (0..BLOCKS).map(|block| block >= QUIET && source.uniform() < 0.5).collect()
}

/// A session of native trials in which noise is switched as its blocks begin, which it says on stderr.
fn session(isotare: &Isotare, kind: Kind, labels: &[bool]) -> Result<Value> {
    let folder = tempfile::tempdir().context("make a folder for the store")?;
    let hog = Hog::new(kind)?;
    let mut command = Command::new(&isotare.program);
    command.args(["compare", "--format", "json", "--env", "native", "--repeats", "0", "--blocks"]);
    command.arg(BLOCKS.to_string()).arg("--store").arg(folder.path().join("store.db"));
    for workload in WORKLOADS {
        command.args(["--workload", workload]);
    }
    // A file, not a pipe: the report is larger than a pipe, and nobody reads it while this listens to stderr.
    let printed = folder.path().join("report.json");
    let file = File::create(&printed).context("make a file for the report")?;
    let mut child = command
        .stdout(file)
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", isotare.program.display()))?;
    let said = BufReader::new(child.stderr.take().context("stderr is a pipe")?);
    for line in said.lines() {
        if let Some(block) = begun(&line.context("read what isotare says")?) {
            hog.switch(labels.get(block).copied().unwrap_or(false));
        }
    }
    drop(hog);
    let status = child.wait().context("wait for isotare")?;
    let report = std::fs::read(&printed).context("read what isotare printed")?;
    serde_json::from_slice(&report).with_context(|| format!("read the session ({status})"))
}

/// The block that begins, from 0, where a line says so: `block 7/40, 12s left`.
fn begun(line: &str) -> Option<usize> {
    let (number, _) = line.strip_prefix("block ")?.split_once('/')?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

/// What became of each trial. The slowness of a trial is that of its headline against the median of quiet
/// ones.
fn count(report: &Value, labels: &[bool]) -> Count {
    let flagged: Vec<usize> = array(&report["disturbance"]["disturbed"]).iter().filter_map(index).collect();
    let mut by_workload: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
    for trial in array(&report["trials"]) {
        let block = index(&trial["block"]);
        let value = array(&trial["samples"]).first().and_then(|sample| sample["value"].as_f64());
        if let (Some(workload), Some(block), Some(value)) = (trial["workload"].as_str(), block, value) {
            by_workload.entry(workload).or_default().push((block, value));
        }
    }
    let is_noisy = |block: usize| labels.get(block).copied().unwrap_or(false);
    let mut found = Count::default();
    for trials in by_workload.values() {
        let mut quiet: Vec<f64> =
            trials.iter().filter(|(block, _)| !is_noisy(*block)).map(|(_, value)| *value).collect();
        quiet.sort_by(f64::total_cmp);
        let Some(usual) = quiet.get(quiet.len() / 2).copied() else { continue };
        for (block, value) in trials {
            let is_flagged = flagged.contains(block);
            // More is better in all of them.
            match (is_noisy(*block), usual / value > 1.0 + SLOWED) {
                (true, true) => {
                    found.slowed += 1;
                    found.slowed_and_flagged += usize::from(is_flagged);
                }
                (true, false) => {}
                (false, _) => {
                    found.quiet += 1;
                    found.quiet_and_flagged += usize::from(is_flagged);
                }
            }
        }
    }
    found
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            slowed: self.slowed + other.slowed,
            slowed_and_flagged: self.slowed_and_flagged + other.slowed_and_flagged,
            quiet: self.quiet + other.quiet,
            quiet_and_flagged: self.quiet_and_flagged + other.quiet_and_flagged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_are_recognised_among_other_messages() {
        assert_eq!(begun("block 7/40, 12s left"), Some(6));
        assert_eq!(begun("block 1/40"), Some(0));
        assert_eq!((begun("native: Linux 6.1"), begun("block x/4")), (None, None));
    }

    #[test]
    fn only_blocks_that_noise_made_slower_must_be_flagged() {
        let trial = |block: u64, value: f64| json!({ "workload": "cpu", "block": block, "samples": [{ "value": value }] });
        let trials = [
            trial(0, 100.0),
            trial(1, 101.0),
            trial(2, 99.0),
            trial(3, 80.0),
            trial(4, 50.0),
            trial(5, 98.5),
        ];
        let report = json!({ "trials": trials, "disturbance": { "disturbed": [1, 4] } });
        let labels = [false, false, false, true, true, true];
        let expected = Count { slowed: 2, slowed_and_flagged: 1, quiet: 3, quiet_and_flagged: 1 };
        assert_eq!(count(&report, &labels), expected);
    }

    #[test]
    fn the_first_blocks_are_quiet_and_half_of_the_others_are_not() {
        let labels = labels(1);
        assert!(labels[..QUIET as usize].iter().all(|noisy| !noisy));
        let noisy = labels.iter().filter(|noisy| **noisy).count();
        assert!((8..=26).contains(&noisy), "{noisy}");
    }
}
