//! The steps that the child applies to itself before it runs the program.

use super::order::Order;
use super::rung::Rung;
use super::{capabilities, root};
use crate::container::broker::error::{BrokerError, Step};
use crate::container::broker::{network, seccomp};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::set_no_new_privs;
use seccompiler::sock_filter;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The profile that Docker loads; it has no state of its own.
pub(super) const PROFILE: &str = "docker-default";

/// Waits for the launcher's message on `word`, applies the mechanisms, and runs the program. It returns only
/// if there is an error.
///
/// The order is not that of the ladder: steps that need permissions come before steps that remove them, and
/// the filter is last.
pub(super) fn become_program(order: &Order, mut word: PipeReader, filter: &[sock_filter]) -> BrokerError {
    let mut prepare = || {
        die_with_launcher()?;
        // If the pipe is closed without a message, the launcher has ended.
        word.read_exact(&mut [0]).step("wait for the launcher")?;
        apply(order, filter)
    };
    if let Err(error) = prepare() {
        return error;
    }
    let [program, arguments @ ..] = order.program.as_slice() else { return BrokerError::Protocol };
    BrokerError::Os("run the agent", Command::new(program).args(arguments).exec())
}

fn apply(order: &Order, filter: &[sock_filter]) -> Result<(), BrokerError> {
    if order.has(Rung::Net) {
        network::raise_loopback()?;
    }
    if order.has(Rung::Mount) {
        root::detach()?;
    }
    if order.has(Rung::Root) {
        root::enter(order)?;
    } else if order.has(Rung::Mount) && order.has(Rung::Pid) {
        root::mount_proc(Path::new("/proc"))?;
    }
    if order.has(Rung::Apparmor) {
        confine()?;
    }
    if order.has(Rung::Capabilities) {
        capabilities::drop_others()?;
    }
    if order.has(Rung::NoNewPrivs) {
        set_no_new_privs(true).step("forbid new privileges")?;
    }
    if order.has(Rung::Seccomp) {
        seccomp::load(filter).step("load the system call filter")?;
    }
    Ok(())
}

fn die_with_launcher() -> Result<(), BrokerError> {
    set_parent_process_death_signal(Some(Signal::KILL)).step("tie the life to the launcher's")
}

/// Asks for the profile at the next execution. The file with AppArmor's name is there since Linux 5.8, beside
/// other security modules; the other one is older (Documentation/admin-guide/LSM/index.rst).
fn confine() -> Result<(), BrokerError> {
    let word = format!("exec {PROFILE}");
    fs::write("/proc/self/attr/apparmor/exec", &word)
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => fs::write("/proc/self/attr/exec", &word),
            _ => Err(error),
        })
        .step("ask for the AppArmor profile")
}
