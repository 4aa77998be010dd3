//! Waiting for children, and for the orphans that a first process inherits.

#![expect(unsafe_code, reason = "wait4(2) fills structures of C")]

use isotare_protocol::{Exit, Usage};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

/// How a process ended and what it used; the wall time is the caller's to fill in.
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
}

/// Children that run beside jobs (services). Whoever waits next reaps them, so how they ended is kept here.
static STRAYS: Mutex<BTreeMap<i32, Option<Exit>>> = Mutex::new(BTreeMap::new());

/// The children that run beside jobs.
pub struct Strays;

impl Strays {
    /// Starts one: from the moment that it exists, its end is kept until [`stray`] takes it.
    pub fn expect(start: impl FnOnce() -> io::Result<i32>) -> io::Result<i32> {
        let mut strays = STRAYS.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = start()?;
        strays.insert(pid, None);
        Ok(pid)
    }

    fn ended(pid: i32, status: i32) {
        let mut strays = STRAYS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exit) = strays.get_mut(&pid) {
            *exit = Some(exit_of(status));
        }
    }
}

/// How a child of [`Strays::expect`] ended. It has ended already.
pub fn stray(pid: i32) -> Option<Exit> {
    let mut status = 0;
    // SAFETY: the pointer is to a live local.
    if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
        Strays::ended(pid, status);
    }
    let known = || STRAYS.lock().unwrap_or_else(PoisonError::into_inner).get(&pid).copied().flatten();
    // Another thread may have reaped it and not have written that down yet.
    let exit = (0..100).find_map(|_| {
        known().or_else(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            None
        })
    });
    STRAYS.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
    exit
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
        if ended > 0 {
            Strays::ended(ended, status);
        } else {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Reaps what has ended already. Only between jobs: it would take a job's own process away from [`wait`].
pub fn orphans() {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a live local.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            pid @ 1.. => Strays::ended(pid, status),
            _ => return,
        }
    }
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
