//! Isotare's agent: one static program that runs inside every instance.
//!
//! It connects to the host, says hello (which is the readiness signal), and then runs one job at a time: a
//! program of the instance or one of the workloads compiled in. It measures time on its own monotonic clock
//! only. As the first process of a virtual machine it is also the machine's init.

mod arguments;
mod clock;
mod control;
mod echo;
mod exec;
mod facts;
mod init;
mod link;
mod mounts;
mod network;
mod observe;
mod reap;
mod service;
mod session;
mod spawn;
mod vsock;
mod work;

use arguments::Arguments;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let started_ns = clock::now_ns();
    if init::is_machine() {
        init::run_machine(started_ns);
    }
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => return complain(&why),
    };
    let link = link::Link::open(&arguments.channel, &mut || Err("there is none".into()));
    match link.and_then(|link| serve(link, &arguments, started_ns)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => complain(&why),
    }
}

fn serve(link: link::Link, arguments: &Arguments, started_ns: u64) -> Result<(), String> {
    session::serve(link, Path::new(&arguments.data), started_ns)
}

#[expect(clippy::print_stderr, reason = "without a connection there is no other way to the user")]
fn complain(why: &str) -> ExitCode {
    eprintln!("isotare-agent: {why}");
    ExitCode::FAILURE
}
