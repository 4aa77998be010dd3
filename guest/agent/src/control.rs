//! What the connection's reader can do with the running job: send it a signal, or end it because the host has
//! closed the connection.

#![expect(unsafe_code, reason = "kill(2) of a whole group")]

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by the reader and the thread that runs jobs.
#[derive(Debug, Default)]
pub struct Control {
    job: Mutex<Job>,
    stop: AtomicBool,
    stopped_by: AtomicI32,
    gone: AtomicBool,
}

/// The job under way, as far as signals are concerned.
#[derive(Debug, Default, Clone, Copy)]
enum Job {
    /// None.
    #[default]
    Idle,
    /// A built-in workload: any signal ends it.
    Threads,
    /// A command between two of its processes; a signal that came meanwhile is due to the next one.
    Between(Option<i32>),
    /// A command's process group.
    Group(i32),
}

impl Control {
    fn job(&self) -> MutexGuard<'_, Job> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A built-in workload begins.
    pub fn threads_begin(&self) {
        let mut job = self.job();
        self.stop.store(self.gone.load(Ordering::Relaxed), Ordering::Relaxed);
        *job = Job::Threads;
    }

    /// A command begins.
    pub fn command_begins(&self) {
        let mut job = self.job();
        let gone = self.gone.load(Ordering::Relaxed);
        self.stop.store(gone, Ordering::Relaxed);
        *job = Job::Between(gone.then_some(libc::SIGKILL));
    }

    /// The job is over.
    pub fn ends(&self) {
        *self.job() = Job::Idle;
    }

    /// A process of the command runs, in a group of its own.
    pub fn started(&self, group: i32) {
        let mut job = self.job();
        if let Job::Between(Some(signal)) = *job {
            signal_group(group, signal);
        }
        *job = Job::Group(group);
    }

    /// That process is about to be or has been waited for.
    pub fn finished(&self) {
        *self.job() = Job::Between(None);
    }

    /// Whether the job has to end now.
    #[inline]
    pub fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Why [`Control::must_stop`].
    pub fn stop_reason(&self) -> String {
        match self.stopped_by.load(Ordering::Relaxed) {
            0 => "the connection closed".to_owned(),
            signal => format!("stopped by signal {signal}"),
        }
    }

    /// The host sends a signal. No job: nothing happens.
    pub fn signal(&self, signal: i32) {
        let mut job = self.job();
        match &mut *job {
            Job::Idle => {}
            Job::Threads => {
                self.stopped_by.store(signal, Ordering::Relaxed);
                self.stop.store(true, Ordering::Relaxed);
            }
            Job::Between(due) => *due = Some(signal),
            Job::Group(group) => signal_group(*group, signal),
        }
    }

    /// The host has closed the connection: everything has to end.
    pub fn hang_up(&self) {
        let mut job = self.job();
        self.stopped_by.store(0, Ordering::Relaxed);
        self.gone.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        match &mut *job {
            Job::Idle | Job::Threads => {}
            Job::Between(due) => *due = Some(libc::SIGKILL),
            Job::Group(group) => signal_group(*group, libc::SIGKILL),
        }
    }
}

/// Sends a signal to a whole group. That the group is gone already is no error.
pub fn signal_group(group: i32, signal: i32) {
    debug_assert!(group > 1, "a group that would mean everything");
    // SAFETY: kill(2) takes no memory. `group` is that of a child we spawned, never 0 or 1.
    unsafe { libc::kill(-group, signal) };
}
