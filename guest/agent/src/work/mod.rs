//! The built-in workloads: one engine that measures, and one small file for each kind of work.

mod cpu;
mod engine;
mod fileio;
mod memory;
mod mutex;
mod network;
mod random;
mod threads;

use crate::control::Control;
use crate::link::Link;
use engine::{Engine, Schedule};
use isotare_protocol::{Builtin, FromAgent, Kind};
use std::path::Path;

/// Runs the job and gives its final message.
pub fn run(
    job: &Builtin,
    data: &Path,
    observe_ms: Option<u32>,
    control: &Control,
    link: &mut Link,
) -> Result<FromAgent, String> {
    control.threads_begin();
    let mut schedule = Schedule::new(job)?;
    let mut tell = |message: &FromAgent| link.send(message);
    let mut engine = Engine { control, observe_ms, tell: &mut tell };
    let (report, observed) = match &job.kind {
        Kind::Cpu { max_prime } => engine.run(&cpu::Cpu::prepare(*max_prime)?, &schedule)?,
        Kind::Memory(memory) => {
            schedule.at_most_events(memory::events_for(memory));
            engine.run(&memory::Memory::prepare(memory)?, &schedule)?
        }
        Kind::Threads { yields, locks } => {
            engine.run(&threads::Threads::prepare(*yields, *locks)?, &schedule)?
        }
        Kind::Mutex { mutexes, locks, loops } => {
            engine.run(&mutex::Mutexes::prepare(*mutexes, *locks, *loops)?, &schedule)?
        }
        Kind::Fileio(fileio) => {
            let files = fileio::Fileio::prepare(fileio, data, &|| control.must_stop())?;
            let done = engine.run(&files, &schedule);
            files.cleanup()?;
            done?
        }
        Kind::Network { size } => engine.run(&network::Network::prepare(*size)?, &schedule)?,
        Kind::Echo(echo) => {
            schedule.pace(echo.rate)?;
            engine.run(&network::Echo::prepare(echo)?, &schedule)?
        }
    };
    Ok(FromAgent::Finished {
        result: isotare_protocol::JobResult::Work(report),
        observed: Box::new(observed),
    })
}
