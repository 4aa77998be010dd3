//! Waiting for children, and for the orphans that a first process inherits.

#![expect(unsafe_code, reason = "wait4(2) fills structures of C")]

use isotare_protocol::{Exit, Usage};
use std::io;

/// How a process ended and what it used; the wall time is the caller's to fill in.
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
}

/// Blocks until the child `pid` has ended. Orphans that end meanwhile are reaped too: where the agent is the
/// first process, nobody else does.
pub fn wait(pid: i32) -> io::Result<Ended> {
    loop {
        let mut status = 0;
        let mut used = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both pointers are to live locals of the types that wait4(2) fills in.
        let ended = unsafe { libc::wait4(-1, &raw mut status, 0, used.as_mut_ptr()) };
        if ended == pid {
            // SAFETY: wait4 succeeded and so has filled it in; all-zero bytes are valid for it in any case.
            let used = unsafe { used.assume_init() };
            return Ok(Ended { exit: exit_of(status), usage: usage_of(&used) });
        }
        if ended < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Reaps what has ended already. Only between jobs: it would take a job's own process away from [`wait`].
pub fn orphans() {
    // SAFETY: a null status pointer is allowed by waitpid(2).
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

/// What this process and its threads have used so far; the wall time is the caller's to fill in.
pub fn own_usage() -> Usage {
    let mut used = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live local; all-zero bytes are valid for it should the call fail.
    let used = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, used.as_mut_ptr());
        used.assume_init()
    };
    usage_of(&used)
}

fn exit_of(status: i32) -> Exit {
    match libc::WIFSIGNALED(status) {
        true => Exit::Signal(libc::WTERMSIG(status)),
        false => Exit::Code(libc::WEXITSTATUS(status)),
    }
}

fn usage_of(used: &libc::rusage) -> Usage {
    let ns =
        |time: libc::timeval| time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1000;
    Usage {
        wall_ns: 0,
        user_ns: ns(used.ru_utime),
        system_ns: ns(used.ru_stime),
        max_rss: used.ru_maxrss.unsigned_abs() * 1024,
        minor_faults: used.ru_minflt.unsigned_abs(),
        major_faults: used.ru_majflt.unsigned_abs(),
        voluntary_switches: used.ru_nvcsw.unsigned_abs(),
        involuntary_switches: used.ru_nivcsw.unsigned_abs(),
    }
}
