//! The sampler of the measured CPUs' own counters.
//!
//! Everything that runs on those CPUs is counted, in user mode, in the kernel and in guests: a counter of
//! single threads would be saved and restored at each context switch. Only the measured work and other
//! programs of the host run on these CPUs. The kernel's own events are not counted in this way, because
//! counting makes them slower: with counters of switches and migrations, workloads with very many switches
//! were up to 2 % slower (docs/selftest.md).
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
