//! `cargo xtask bench`: compares isotare with other tools, in turn, on this machine.

use crate::bench_sampling::sampling;
use crate::{cargo, newest_agent, root, run};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, Stdio};

/// Turns of each pair.
const ROUNDS: usize = 8;

type Bench = fn() -> Result<()>;

/// Each benchmark by name.
const BENCHES: [(&str, Bench); 4] =
    [("spawning", spawning), ("agreement", agreement), ("container", container), ("sampling", sampling)];

/// Runs those named, or all, one after another; each prints its own lines.
pub fn bench(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|(known, _)| known != name)) {
        bail!(
            "the benchmark '{unknown}' is not known; known benchmarks: {}",
            BENCHES.map(|(name, _)| name).join(", ")
        );
    }
    run(&mut cargo(&["build", "--release", "--package", "isotare"]))?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|given| given == name);
    BENCHES.iter().filter(|(name, _)| wanted(name)).try_for_each(|(_, bench)| bench())
}

/// A timed execution of a command that does nothing, against `hyperfine -N`; and the additional cost of a
/// trial.
fn spawning() -> Result<()> {
    let (mut ratios, mut theirs, mut ours, mut fixed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let file = root().join("target/hyperfine.json");
        let mut hyperfine = Command::new("hyperfine");
        hyperfine.args([
            "-N",
            "--warmup",
            "5",
            "--runs",
            "400",
            "/bin/true",
            "--style",
            "none",
            "--export-json",
        ]);
        run(hyperfine.arg(&file).stderr(Stdio::null()))?;
        let peer: Value =
            serde_json::from_slice(&std::fs::read(&file)?).context("read hyperfine's result")?;
        let peer = peer["results"][0]["median"].as_f64().context("hyperfine gives a median")?;
        let session = isotare(&["--env", "native#b", "--no-null", "--blocks", "6", "--", "/bin/true"])?;
        let mine = median(samples(&session, "command", "wall_time"));
        for trial in trials(&session) {
            let phases = trial["phases"].as_array().into_iter().flatten();
            let outside = phases.filter(|phase| phase["mark"].is_null() && phase["phase"] != "exec");
            fixed.push(outside.filter_map(|phase| phase["took"].as_f64()).sum());
        }
        ratios.push(mine / peer);
        theirs.push(peer);
        ours.push(mine);
    }
    println!("one timed execution of /bin/true, medians of {ROUNDS} rounds:");
    println!(
        "  hyperfine -N {:.0} µs, isotare {:.0} µs, ratio {:.3}",
        1e6 * median(theirs),
        1e6 * median(ours),
        median(ratios)
    );
    println!("  fixed cost of a native trial (all phases but exec): {:.2} ms", 1e3 * median(fixed));
    Ok(())
}

/// The built-in cpu workload against sysbench's own, on native, in the same blocks.
fn agreement() -> Result<()> {
    let arguments = [
        "--env",
        "native#b",
        "--no-null",
        "--blocks",
        "10",
        "-w",
        "cpu:time=2s",
        "-w",
        "sysbench:test=cpu,time=2",
    ];
    let session = isotare(&arguments)?;
    let block = |workload: &str, block: u64| {
        let of_block =
            trials(&session).iter().filter(|trial| trial["block"] == block).cloned().collect::<Vec<_>>();
        median(samples(&Value::from_iter([("trials", Value::from(of_block))]), workload, "events_per_second"))
    };
    let ratios: Vec<f64> = (0..10).map(|i| block("cpu", i) / block("sysbench", i)).collect();
    let (low, high) = ratios.iter().fold((f64::MAX, 0.0_f64), |(low, high), &r| (low.min(r), high.max(r)));
    println!(
        "events per second of cpu over sysbench cpu: median of 10 blocks {:.3}, from {low:.3} to {high:.3}",
        median(ratios)
    );
    Ok(())
}

/// Containers' lives by their drivers, against the tools called directly.
fn container() -> Result<()> {
    let agent = newest_agent("release")?;
    let mut example = cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "isotare-drivers",
        "--example",
        "container_lifecycle",
        "--",
    ]);
    run(example.arg(agent).arg("30"))
}

fn isotare(arguments: &[&str]) -> Result<Value> {
    let output = Command::new(root().join("target/release/isotare"))
        .args(["compare", "--format", "json"])
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .context("start isotare")?;
    if !output.status.success() {
        bail!("isotare compare {}: {}", arguments.join(" "), output.status);
    }
    serde_json::from_slice(&output.stdout).context("read isotare's result")
}

fn trials(session: &Value) -> &[Value] {
    session["trials"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn samples(session: &Value, workload: &str, metric: &str) -> Vec<f64> {
    let of_workload = trials(session).iter().filter(|trial| trial["workload"] == workload);
    let all = of_workload.flat_map(|trial| trial["samples"].as_array().into_iter().flatten());
    all.filter(|sample| sample["metric"] == metric).filter_map(|sample| sample["value"].as_f64()).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
