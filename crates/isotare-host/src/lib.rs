//! All access to the machine.
//!
//! On the host's side, only this crate (and the crates for kernel interfaces below it) starts processes,
//! sleeps or reads a clock. Every wait has a deadline and ends early if the user interrupts the session.

mod agent;
mod clock;
mod layout;
mod leftovers;
mod mount_namespace;
mod pings;
mod process;
mod program;
mod state;
mod sweep;
mod tap;
mod wait;

pub use agent::{AgentClient, AgentError, JobDone, JobEvent};
pub use clock::{deadline_in, now, thread_cpu_time, utc_now};
pub use layout::{lay_out, write_tar};
pub use leftovers::{end_processes_naming, processes_naming, unmount_below};
pub use mount_namespace::{MountNamespace, cover, has_hybrid_cgroups, hide_unified_cgroup};
pub use process::{Child, Spawn, identify, is_alive, peer_pid};
pub use program::{find_program, output_of, output_up_to};
pub use state::{SessionState, StaleSession, make_run_folder, state_root};
pub use sweep::{Swept, sweep};
pub use tap::{OutputTap, WholeOutput};
pub use wait::{WaitError, accept, at, in_time, listen, pause, readable, sleep_until};
