//! The sampler of the measured CPUs' own counters, and the kernel's counters for each CPU.
//!
//! Everything that runs on those CPUs is counted, in user mode, in the kernel and in guests: a counter of single threads would be
//! saved and restored at each context switch, and so slow down what switches much. What isotare measures has these CPUs to itself but
//! for what else the host runs there.
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
    Meter::detail("perf_kvm_exits", "1", Counter),
    Meter::detail("perf_migrations", "1", Counter),
    Meter::detail("perf_context_switches", "1", Counter),
];
