//! Reads what the host can see of an instance while it works.
//!
//! Each [`Sampler`](isotare_core::Sampler) reads counters and gauges as the kernel gives them; [`SAMPLERS`]
//! lists them with their [`Meter`]s. A [`Collector`] reads them on a thread of its own, and [`summarise`]
//! turns what it read into one value per metric and role. Everything here reads files of the kernel; nothing
//! here writes one.
//!
//! ```
//! use isotare_core::{CpuSet, Footprint, Member, Role, Timestamp};
//! use isotare_samplers::{Collector, Samplers, meters, summarise};
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! fn clock() -> Timestamp {
//!     static TURNS: AtomicU64 = AtomicU64::new(0);
//!     Timestamp(TURNS.fetch_add(1, Ordering::Relaxed)) // the host's clock, in earnest
//! }
//!
//! let member = Member::new(Role::Workload, std::process::id());
//! let footprint = Footprint { members: vec![member], cgroup: None };
//! let cpus = CpuSet::new([0]).unwrap();
//! let samplers = Samplers::open(&["process", "host"], &cpus).expect("both work wherever there is a /proc");
//! let collector = Collector::prepare(footprint, 0.0, samplers, &cpus, clock);
//! collector.begin();
//! // … the measured window …
//! let (readings, errors) = collector.finish();
//! assert!(errors.is_empty(), "{errors:?}");
//! let samples = summarise(&readings, &meters());
//! assert!(samples.iter().any(|sample| sample.metric.name == "cpu_user"));
//! ```

mod cgroup;
mod collector;
mod host;
mod meter;
mod perf;
mod process;
mod registry;
mod watch;
mod window;

pub use cgroup::CgroupSampler;
pub use collector::Collector;
pub use host::{HostSampler, memory_available, memory_taken};
pub use meter::{Meter, MeterKind};
pub use perf::{PerfSampler, counter_facts};
pub use process::ProcessSampler;
pub use registry::{Closing, Entry, Open, SAMPLERS, Samplers, find, meters};
pub use watch::{Activity, Scope, Task, Wanted, Watch};
pub use window::summarise;
