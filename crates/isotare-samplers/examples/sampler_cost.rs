//! Measures the cost of one reading of the process sampler: `cargo run --release --example sampler_cost --
//! [PROCESSES] [READINGS]`.
//!
//! A shell starts processes that sleep. Each kind of reading is repeated. The result is the CPU time of this
//! thread for one reading.

#![expect(clippy::print_stdout, reason = "an example's output")]

use isotare_core::{Footprint, Member, Role, Sampler, Timestamp};
use isotare_samplers::{Closing, ProcessSampler};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let processes: u32 = args.next().map_or(Ok(280), |text| text.parse())?;
    let readings: u32 = args.next().map_or(Ok(50), |text| text.parse())?;
    let script =
        format!("for n in $(seq {processes}); do sleep 600 & done; echo up; read end; kill $(jobs -p)");
    let mut shell =
        Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(shell.stdout.as_mut().ok_or("no pipe")?).read_line(&mut line)?;

    let member = Member::new(Role::Workload, shell.id());
    let footprint = Footprint { members: vec![member], cgroup: None };
    let closing = Closing::default();
    let mut sampler = ProcessSampler::new(Path::new("/"), closing.clone())?;
    let mut out = Vec::new();
    let mut turn = 0;
    let mut cost = |repeats: u32, apart_ns: u64| {
        let before = cpu_ms();
        for _ in 0..repeats {
            turn += apart_ns;
            sampler.read(&footprint, Timestamp(turn), &mut out)?;
        }
        Ok::<f64, isotare_core::SamplerError>((cpu_ms() - before) / f64::from(repeats))
    };
    let first = cost(1, 1)?;
    let usual = cost(readings, 1)?;
    let slow = cost(readings, 1_000_000_000)?;
    closing.raise();
    let last = cost(readings, 1)?;
    println!("{processes} processes, CPU ms per reading:");
    println!(
        "  first {first:.2}, usual {usual:.2}, once a second {slow:.2} (each tenth with PSS), last {last:.2}"
    );
    drop(shell.stdin.take());
    shell.wait()?;
    Ok(())
}
