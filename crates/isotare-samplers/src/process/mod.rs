//! The sampler of process trees.
//!
//! It keeps running totals for each role: the use of each process since its last reading is added to its
//! role. The totals keep the use of processes that have ended. The kernel adds the time of a child that was
//! waited for to its parent, so processes that come and go between two readings are not lost, and those that
//! were known are not counted twice (see `account`). Context switches and run delay have no such sum: those
//! of threads that end between two readings are missing, so they are lower bounds.
//!
//! A process with one thread that has not run since the last reading, by its `schedstat`, is not read again:
//! only its memory can have changed. Else cheap files are read each time; `status` and `schedstat` of each
//! thread on a process's first reading, then once a second, and on the last reading of the window;
//! `smaps_rollup` after a second, then every ten, and last. Of a process that serves others too, only the
//! change since the first reading counts, memory included.
//!
//! Sources: proc_pid_stat(5), proc_pid_io(5), proc_pid_status(5), proc_pid_smaps(5), proc_tid_children(5),
//! Documentation/scheduler/sched-stats.rst (`/proc/PID/schedstat`: run time, run delay in ns, time slices).

mod account;
pub(crate) mod counts;
pub(crate) mod files;
mod one;
mod sampler;
pub(crate) mod stat;
pub(crate) mod tree;

pub use sampler::ProcessSampler;

use crate::meter::{Meter, MeterKind};
use MeterKind::{Counter, Peak};

/// In the order of [`counts::Counter`], then memory, then threads.
pub(crate) static METERS: &[Meter] = &[
    Meter::headline("cpu_user", "s", Counter),
    Meter::headline("cpu_system", "s", Counter),
    Meter::detail("cpu_guest", "s", Counter),
    Meter::detail("minor_faults", "1", Counter),
    Meter::detail("major_faults", "1", Counter),
    Meter::detail("read_bytes", "B", Counter),
    Meter::detail("write_bytes", "B", Counter),
    Meter::detail("cancelled_write_bytes", "B", Counter),
    Meter::detail("voluntary_switches", "1", Counter),
    Meter::detail("involuntary_switches", "1", Counter),
    Meter::detail("run_delay", "s", Counter),
    Meter::detail("rss", "B", Peak),
    Meter::headline("pss", "B", Peak),
    Meter::detail(THREAD_CPU, "s", Counter),
];

/// User and system time of each thread with a role of its own, by its name.
const THREAD_CPU: &str = "thread_cpu";
