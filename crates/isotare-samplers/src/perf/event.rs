//! The events that can be counted, and whether they can be counted here.

use crate::host::kvm_exits;
use perf_event::events::{Cache, CacheId, CacheOp, CacheResult, Hardware};
use perf_event::{Builder, Counter};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::Path;

/// Makes the description of an event.
pub(super) type Event = fn() -> Builder<'static>;

/// Each with its name in facts, in the order of the meters. Of the TLB: loads that its first level did not
/// have.
pub(super) const EVENTS: &[(&str, Event)] = &[
    ("cycles", || Builder::new(Hardware::CPU_CYCLES)),
    ("instructions", || Builder::new(Hardware::INSTRUCTIONS)),
    ("cache_misses", || Builder::new(Hardware::CACHE_MISSES)),
    ("tlb_misses", || {
        let (which, operation, result) = (CacheId::DTLB, CacheOp::READ, CacheResult::MISS);
        Builder::new(Cache { which, operation, result })
    }),
];

const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// A counter of the event on this CPU that runs from now on; an error says why there is none.
pub(super) fn open(event: Event, cpu: usize) -> Result<Counter, String> {
    let mut builder = event();
    builder.any_pid().one_cpu(cpu).exclude_kernel(false).exclude_hv(false).enabled(true);
    builder.build().map_err(|error| explain(&error))
}

fn explain(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => {
            let level = fs::read_to_string(PARANOID).unwrap_or_default();
            format!(
                "it needs root, CAP_PERFMON or kernel.perf_event_paranoid below 1 (it is {})",
                level.trim()
            )
        }
        Some(Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV) => {
            format!("the processor does not have this counter, or a hypervisor does not provide it ({error})")
        }
        Some(Errno::NOSYS) => format!("the kernel is built without CONFIG_PERF_EVENTS ({error})"),
        _ => error.to_string(),
    }
}

/// For each event of the processor and of KVM, a fact of the machine that says whether it is counted, or why
/// not.
pub fn counter_facts() -> Vec<(String, String)> {
    let kvm = kvm_exits(Path::new("/sys")).map(drop);
    let events = EVENTS.iter().map(|(name, event)| (*name, open(*event, 0).map(drop)));
    let fact = |(name, counted): (&str, Result<(), String>)| {
        let told = counted.map_or_else(|why| format!("not counted: {why}"), |()| "counted".to_owned());
        (format!("counter.{name}"), told)
    };
    events.chain([("kvm_exits", kvm)]).map(fact).collect()
}
