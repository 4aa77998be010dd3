//! The sampler of the measured CPUs' own counters.
//!
//! Everything that runs on those CPUs is counted, in user mode, in the kernel and in guests: a counter of single threads would be
//! saved and restored at each context switch. What isotare measures has these CPUs to itself but for what else the host runs there.
//! The kernel's own events are not counted this way, since each would take longer: with switches and migrations counted, workloads
//! that switch all the time were found up to 2 % slower (docs/selftest.md).
//!
//! Source: perf_event_open(2).

mod event;
mod sampler;

pub use event::counter_facts;
pub use sampler::PerfSampler;

use crate::meter::{Meter, MeterKind::Counter};

/// In the order of [`event::EVENTS`].
pub(crate) static METERS: &[Meter] = &[
    Meter::detail("perf_cycles", "1", Counter),
    Meter::detail("perf_instructions", "1", Counter),
    Meter::detail("perf_cache_misses", "1", Counter),
    Meter::detail("perf_tlb_misses", "1", Counter),
];
