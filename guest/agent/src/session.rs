//! One connection from hello to its end: requests are answered in order, one at a time; the connection's
//! reader takes pings and signals between them. Services run beside them.

use crate::control::Control;
use crate::link::Link;
use crate::service::Services;
use crate::{clock, exec, facts, reap, work};
use isotare_protocol::{FromAgent, Hello, Job, ToAgent, VERSION};
use std::path::Path;
use std::sync::Arc;

/// Serves the host until it closes the connection or asks for the end. An error means that the connection
/// broke or that the host is not the right one.
pub fn serve(mut link: Link, data: &Path, started_ns: u64) -> Result<(), String> {
    let control = Arc::new(Control::default());
    let requests = link.read_requests(Arc::clone(&control), give_up)?;
    link.hello(&Hello {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        clock_ns: clock::now_ns(),
        started_ns,
    })?;
    match requests.recv() {
        Ok(ToAgent::Welcome(VERSION)) => {}
        Ok(ToAgent::Welcome(host)) => {
            return Err(format!("the host uses protocol version {host}, but this agent uses {VERSION}"));
        }
        Ok(_) => return Err("the host sent a request before its welcome".to_owned()),
        Err(_) => return Err("the host closed the connection without a welcome".to_owned()),
    }
    let mut services = Services::default();
    while let Ok(request) = requests.recv() {
        match request {
            ToAgent::Facts => link.send(&FromAgent::Facts(facts::gather(data)))?,
            ToAgent::Hash { files } => {
                let hashes = files.iter().map(|file| facts::hash_of(Path::new(file))).collect();
                link.send(&FromAgent::Hashes(hashes))?;
            }
            ToAgent::Run { job, observe_ms } => {
                let ended = match &job {
                    Job::Builtin(builtin) => work::run(builtin, data, observe_ms, &control, &mut link),
                    Job::Command(command) => exec::run(command, data, observe_ms, &control, &mut link),
                };
                control.ends();
                reap::orphans();
                link.send(&ended.unwrap_or_else(FromAgent::Refused))?;
            }
            ToAgent::Serve { id, service } => {
                if let Err(why) = services.start(id, service, data, link.speaker()) {
                    link.send(&FromAgent::Refused(why))?;
                }
            }
            ToAgent::StopService { id } => services.stop(id),
            // Pings and signals never come this way, and a second welcome changes nothing.
            ToAgent::Ping | ToAgent::Signal(_) | ToAgent::Welcome(_) => {}
            ToAgent::PowerOff => return Ok(()),
        }
    }
    Ok(())
}

/// Ends the agent, and with it a virtual machine whose init it is, while a job still hangs.
#[expect(clippy::exit, reason = "the main thread runs a job that cannot be stopped")]
fn give_up() {
    if crate::init::is_machine() {
        crate::init::power_off();
    }
    std::process::exit(1)
}
