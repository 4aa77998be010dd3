//! The launcher: a process that clones one child with the namespaces asked for, and waits for its end.
//!
//! It is used on every rung, with or without namespaces, so that it is never a difference between two rungs.

#![expect(unsafe_code, reason = "clone3(2) has no safe form")]

use super::order::Order;
use super::rung::Rung;
use super::{filter, inside};
use crate::container::broker::error::{BrokerError, Step};
use crate::container::broker::network::{Home, connect};
use crate::container::veth::{self, Link};
use isotare_core::Interrupt;
use isotare_host::deadline_in;
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_setaffinity};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// Executes the order from the command line.
pub(crate) fn launch() -> Result<(), BrokerError> {
    let order = std::env::args().nth(2).ok_or(BrokerError::Protocol)?;
    let order: Order = serde_json::from_str(&order).map_err(|error| BrokerError::Spec(error.into()))?;
    let mut cpus = CpuSet::new();
    order.cpus.iter().for_each(|cpu| cpus.set(cpu as usize));
    sched_setaffinity(None, &cpus).step("stay on the budget's CPUs")?;
    let filter = match order.has(Rung::Seccomp) {
        true => filter::decode(&fs::read(&order.filter).step("read the system call filter")?),
        false => Vec::new(),
    };
    let (word, mut tell) = io::pipe().step("make a pipe")?;
    let Some(child) = clone(namespaces(&order)).step("clone with namespaces")? else {
        drop(tell);
        return Err(inside::become_program(&order, word, &filter));
    };
    if order.has(Rung::User) {
        map_users(child)?;
    }
    if let Some(link) = &order.link {
        attach(link, child, &order.work)?;
    }
    // If the child cannot receive it, it has ended and has written the reason.
    let _deaf = tell.write_all(&[0]);
    waitpid(Some(child), WaitOptions::empty()).step("wait for the agent")?;
    Ok(())
}

fn namespaces(order: &Order) -> libc::c_int {
    let flags = [
        (Rung::Mount, libc::CLONE_NEWNS),
        (Rung::Pid, libc::CLONE_NEWPID),
        (Rung::Uts, libc::CLONE_NEWUTS),
        (Rung::Ipc, libc::CLONE_NEWIPC),
        (Rung::Net, libc::CLONE_NEWNET),
        (Rung::User, libc::CLONE_NEWUSER),
        (Rung::CgroupNs, libc::CLONE_NEWCGROUP),
    ];
    flags.into_iter().filter(|(rung, _)| order.has(*rung)).fold(0, |all, (_, flag)| all | flag)
}

/// Clones this process; `None` in the child. A user namespace is made before the others, which then belong to
/// it (user_namespaces(7), "Interaction of user namespaces and other types of namespaces").
fn clone(namespaces: libc::c_int) -> io::Result<Option<Pid>> {
    // SAFETY: all-zero bytes are valid for this structure of numbers.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(namespaces.cast_unsigned());
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without CLONE_VM the child has a copy of everything, as after fork(2), and this process has one
    // thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match i32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Maps every user and group that this process knows to itself.
fn map_users(child: Pid) -> Result<(), BrokerError> {
    for file in ["uid_map", "gid_map"] {
        let own = fs::read_to_string(format!("/proc/self/{file}")).step("read the map of users")?;
        fs::write(format!("/proc/{}/{file}", child.as_raw_nonzero()), identity(&own))
            .step("map the users")?;
    }
    Ok(())
}

/// The same ranges, mapped to themselves: the columns are first inside, first outside, length
/// (user_namespaces(7)).
fn identity(map: &str) -> String {
    let lines = map.lines().map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        [inside, _, length] => format!("{inside} {inside} {length}\n"),
        _ => String::new(),
    });
    lines.collect()
}

/// Makes the pair inside the child's network namespace, and brings up the end that is on the host.
fn attach(link: &Link, child: Pid, scratch: &Path) -> Result<(), BrokerError> {
    let home = Home::new()?;
    let away = File::open(format!("/proc/{}/ns/net", child.as_raw_nonzero()))
        .step("open the child's network namespace")?;
    move_into_link_name_space(away.as_fd(), Some(LinkNameSpaceType::Network))
        .step("enter the child's network namespace")?;
    connect(link, scratch)?;
    home.back()?;
    veth::configure(link, &deadline_in(Duration::from_secs(10), &Interrupt::default()))
        .map_err(BrokerError::HostEnd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_mapped_to_themselves() {
        assert_eq!(identity("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
    }
}
