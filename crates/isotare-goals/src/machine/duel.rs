//! The same command twice under a load: who calls it a difference.

use super::load::Load;
use super::program::{Isotare, compared, is_difference};
use crate::noise::Source;
use crate::peers::{PEERS, Rule};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs of each command in a comparison of hyperfine's.
const RUNS: &str = "60";
/// Blocks of a comparison of isotare's.
const BLOCKS: &str = "20";
/// What both run: some 30 ms of computing.
const BYTES: &str = "12M";

/// How often a rule found a difference between a command and itself.
pub struct Line {
    /// Who, by which rule.
    pub who: String,
    /// How often.
    pub claims: usize,
    /// Time of all comparisons, s.
    pub seconds: f64,
}

/// Compares a command with itself in turn with hyperfine and with isotare, under one load.
pub fn duel(isotare: &Isotare, rounds: usize) -> Result<Vec<Line>> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let command = ["/usr/bin/head", "-c", BYTES, "/dev/urandom"];
    let line = |who: String| Line { who, claims: 0, seconds: 0.0 };
    let mut ours = line(format!("isotare compare, {BLOCKS} blocks"));
    let mut theirs: Vec<(Line, Rule)> = PEERS
        .iter()
        .map(|(name, rule)| (line(format!("hyperfine -N, {RUNS} runs each, judged by {name}")), *rule))
        .collect();
    let mut source = Source::new(29);
    let _load = Load::start(31);
    for _ in 0..rounds {
        let began = std::time::Instant::now();
        let [a, b] = hyperfine(&command.join(" "), folder.path())?;
        let took = began.elapsed().as_secs_f64();
        for (line, rule) in &mut theirs {
            line.claims += usize::from(rule(&a, &b, &mut source));
            line.seconds += took;
        }
        let began = std::time::Instant::now();
        let report = isotare
            .report("compare", &[&["--env", "native", "--blocks", BLOCKS, "--"][..], &command].concat())?;
        let row = compared(&report, "native#null").find(|row| row["metric"] == "wall_time");
        ours.claims += usize::from(is_difference(row.context("isotare compares the wall time")?));
        ours.seconds += began.elapsed().as_secs_f64();
    }
    Ok(std::iter::once(ours).chain(theirs.into_iter().map(|(line, _)| line)).collect())
}

/// Times of both commands, s, in the order of the runs.
fn hyperfine(command: &str, folder: &Path) -> Result<[Vec<f64>; 2]> {
    let file = folder.join("hyperfine.json");
    let mut program = Command::new("hyperfine");
    program.args(["-N", "--warmup", "3", "--style", "none", "--runs", RUNS, command, command]);
    let status = program.arg("--export-json").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !status.context("start hyperfine")?.success() {
        bail!("hyperfine {command}: failed");
    }
    let found: Value = serde_json::from_slice(&std::fs::read(&file)?).context("read hyperfine's result")?;
    let times = |index: usize| -> Vec<f64> {
        let times = found["results"][index]["times"].as_array().into_iter().flatten();
        times.filter_map(Value::as_f64).collect()
    };
    Ok([times(0), times(1)])
}
