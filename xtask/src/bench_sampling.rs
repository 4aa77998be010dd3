//! The cost of a reading of all processes: `isotare sample`, `pidstat`, a loop that only reads the files, and
//! `below` if it is installed. Also compares the values of the first two for one process.

use crate::{cargo, root, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

/// Number of additional processes on the machine.
const PROCESSES: [usize; 2] = [280, 5000];
/// Readings, a second apart, which is the least that pidstat takes.
const READINGS: u32 = 10;
/// Turns of all of them.
const ROUNDS: usize = 3;
/// Prints both tables.
pub fn sampling() -> Result<()> {
    example()?;
    for processes in PROCESSES {
        let sleepers = sleepers(processes)?;
        let costs = (0..ROUNDS).map(|_| Ok((costs()?, below()))).collect::<Result<Vec<_>>>();
        end(sleepers)?;
        let (costs, below): (Vec<_>, Vec<_>) = costs?.into_iter().unzip();
        let of = |which: usize| median(costs.iter().map(|cost| cost[which]).collect());
        let [pidstat, ours, loops] = [0, 1, 2].map(of);
        println!(
            "CPU time of one reading beside {processes} sleeping processes, medians of {ROUNDS} rounds of {READINGS}:"
        );
        println!(
            "  pidstat {pidstat:.2} ms, isotare sample {ours:.2} ms (ratio {:.3}), reading every stat file {loops:.2} ms",
            ours / pidstat
        );
        match below.into_iter().collect::<Result<_>>().map(median) {
            Ok(below) => println!(
                "  below record {below:.2} ms (ratio {:.3}); it reads six files of each process, the machine's and the groups', and stores all",
                ours / below
            ),
            Err(why) => println!("  below record: skipped, {why:#}"),
        }
    }
    side_by_side()
}

/// The reading of an instance's tree, as a session does it.
fn example() -> Result<()> {
    run(&mut cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "isotare-samplers",
        "--example",
        "sampler_cost",
    ]))
}

/// CPU ms for one reading of pidstat, isotare and the loop, the start of each program taken off.
fn costs() -> Result<[f64; 3]> {
    let readings = READINGS.to_string();
    let pidstat = |count: &str| spent(Command::new("pidstat").args(["-u", "1", count]));
    let ours = |count: &str| spent(isotare().args(["sample", "-i", "1", "-c", count]));
    let per_reading = |many: f64, one: f64| 1e3 * (many - one) / f64::from(READINGS - 1);
    let pidstat = per_reading(pidstat(&readings)?, pidstat("1")?);
    let ours = per_reading(ours(&readings)?, ours("1")?);
    let before = own_seconds();
    (0..READINGS).for_each(|_| read_all());
    Ok([pidstat, ours, 1e3 * (own_seconds() - before) / f64::from(READINGS)])
}

/// CPU ms for one sample of `below record`, from its first to its last. It compresses only when told to; its
/// BPF part is off.
fn below() -> Result<f64> {
    let program = env::var("ISOTARE_BELOW").unwrap_or_else(|_| "below".into());
    let groups = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|root| Path::new(root).join("cgroup.controllers").exists())
        .context("no control groups of version 2")?;
    let folder = below_folder();
    let (config, shown) = (folder.join("below.conf"), folder.display());
    fs::create_dir_all(&folder)?;
    fs::write(
        &config,
        format!("log_dir = '{shown}'\nstore_dir = '{shown}/store'\ncgroup_root = '{groups}'\n"),
    )?;
    let mut command = Command::new(&program);
    command.arg("--config").arg(&config).args(["record", "--interval-s", "1", "--disable-exitstats"]);
    let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let cost = started.with_context(|| format!("start {program}")).and_then(|mut below| {
        let cost = below_sample(&mut below);
        // Without its BPF part it does not heed SIGTERM.
        below.kill()?;
        below.wait()?;
        cost
    });
    fs::remove_dir_all(&folder)?;
    cost
}

/// Where `below` keeps what it records, while it is measured.
fn below_folder() -> PathBuf {
    root().join("target/bench-below")
}

fn below_sample(below: &mut Child) -> Result<f64> {
    let (first, before) = below_reaches(below, 1)?;
    let (last, after) = below_reaches(below, first + u64::from(READINGS) - 1)?;
    Ok(1e3 * (after - before) / (last - first) as f64)
}

/// The samples in the store, once there are this many, and the CPU seconds until then. An entry of an index
/// has 32 bytes.
fn below_reaches(below: &mut Child, wanted: u64) -> Result<(u64, f64)> {
    for _ in 0..300 {
        thread::sleep(Duration::from_millis(200));
        if let Some(status) = below.try_wait()? {
            bail!("below record: {status}");
        }
        let files = fs::read_dir(below_folder().join("store")).into_iter().flatten().flatten();
        let indexes = files.filter(|file| file.file_name().to_string_lossy().starts_with("index_"));
        let samples = indexes.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>() / 32;
        if samples >= wanted {
            return Ok((samples, seconds(&below.id().to_string(), 13)?));
        }
    }
    bail!("below stored fewer than {wanted} samples in a minute")
}

fn isotare() -> Command {
    Command::new(root().join("target/release/isotare"))
}

fn read_all() {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            // One that has ended meanwhile is not read.
            let _text = fs::read(entry.path().join("stat"));
        }
    }
}

/// CPU seconds of a program.
fn spent(command: &mut Command) -> Result<f64> {
    let before = seconds("self", 15)?;
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("start {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(seconds("self", 15)? - before)
}

fn own_seconds() -> f64 {
    seconds("self", 13).unwrap_or(f64::NAN)
}

/// Two counters of `/proc/PID/stat` after the name and the state, in ticks of 10 ms (proc_pid_stat(5)): user
/// and system time of a process, or of its ended children.
fn seconds(pid: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after_name.split(' ').skip(first - 2).take(2);
    Ok(ticks.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn sleepers(count: usize) -> Result<Vec<Child>> {
    (0..count).map(|_| Ok(Command::new("sleep").arg("600").spawn()?)).collect()
}

fn end(sleepers: Vec<Child>) -> Result<()> {
    for mut sleeper in sleepers {
        sleeper.kill()?;
        sleeper.wait()?;
    }
    Ok(())
}

/// A process that computes and writes, watched by both at the same time.
fn side_by_side() -> Result<()> {
    let file = root().join("target/bench-sampling.tmp");
    let script = r#"while :; do echo words > "$0"; done"#;
    let mut busy = Command::new("bash").args(["-c", script]).arg(&file).spawn()?;
    let pid = busy.id().to_string();
    let mut pidstat = Command::new("pidstat");
    pidstat.args(["-u", "-r", "-d", "-w", "-p", &pid, "1", "5"]).stdout(Stdio::piped());
    let pidstat = pidstat.spawn()?;
    let ours =
        isotare().args(["sample", "-u", "-r", "-d", "-w", "-p", &pid, "-i", "1", "-c", "5"]).output()?;
    let theirs = pidstat.wait_with_output()?;
    busy.kill()?;
    busy.wait()?;
    fs::remove_file(&file).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    for (name, output) in [("pidstat", theirs), ("isotare sample", ours)] {
        println!("{name}, the same process at the same time:");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.starts_with("Average:")).for_each(|line| println!("  {line}"));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
