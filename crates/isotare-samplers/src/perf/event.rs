//! What can be counted, and whether it can be counted here.

use perf_event::events::{Cache, CacheId, CacheOp, CacheResult, Hardware, Software, Tracepoint};
use perf_event::{Builder, Counter};
use rustix::io::Errno;
use std::fs;
use std::io;

/// An event.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Hardware(Hardware),
    /// Loads that the first level of the TLB did not have.
    DataTlbMisses,
    Software(Software),
    /// One of the kernel's own points, as `kvm/kvm_exit`.
    Tracepoint(&'static str),
}

/// Each with its name in facts, in the order of the meters.
pub(super) const EVENTS: [(&str, Event); 7] = [
    ("cycles", Event::Hardware(Hardware::CPU_CYCLES)),
    ("instructions", Event::Hardware(Hardware::INSTRUCTIONS)),
    ("cache_misses", Event::Hardware(Hardware::CACHE_MISSES)),
    ("tlb_misses", Event::DataTlbMisses),
    ("kvm_exits", Event::Tracepoint("kvm/kvm_exit")),
    ("migrations", Event::Software(Software::CPU_MIGRATIONS)),
    ("context_switches", Event::Software(Software::CONTEXT_SWITCHES)),
];

/// Where the kernel lists its points: tracefs, at its own place and at the one of old.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

impl Event {
    /// A counter of it on this CPU that runs from now on; an error says why there is none.
    pub(super) fn open(self, cpu: usize) -> Result<Counter, String> {
        let mut builder = match self {
            Event::Hardware(event) => Builder::new(event),
            Event::Software(event) => Builder::new(event),
            Event::DataTlbMisses => Builder::new(Cache {
                which: CacheId::DTLB,
                operation: CacheOp::READ,
                result: CacheResult::MISS,
            }),
            Event::Tracepoint(name) => Builder::new(Tracepoint::with_id(id(name)?)),
        };
        builder.any_pid().one_cpu(cpu).exclude_kernel(false).exclude_hv(false).enabled(true);
        builder.build().map_err(|error| self.explain(&error))
    }

    fn explain(self, error: &io::Error) -> String {
        match Errno::from_io_error(error) {
            Some(Errno::ACCESS | Errno::PERM) => {
                let level = fs::read_to_string(PARANOID).unwrap_or_default();
                format!(
                    "it needs root, CAP_PERFMON or kernel.perf_event_paranoid below 1 (it is {})",
                    level.trim()
                )
            }
            Some(Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV) => {
                format!("the processor has no such counter, or a hypervisor does not pass it on ({error})")
            }
            Some(Errno::NOSYS) => format!("the kernel is built without CONFIG_PERF_EVENTS ({error})"),
            _ => error.to_string(),
        }
    }
}

fn id(point: &str) -> Result<u64, String> {
    let read = |root: &&str| fs::read_to_string(format!("{root}/events/{point}/id")).ok();
    let text = TRACEFS.iter().find_map(read).ok_or_else(|| {
        format!("the kernel shows no point {point}: its module is not loaded, or tracefs is not mounted")
    })?;
    text.trim().parse().map_err(|_| format!("the id of point {point} is no number: {}", text.trim()))
}

/// Of each event, as a fact of the machine, whether it is counted, or why not.
pub fn counter_facts() -> Vec<(String, String)> {
    let fact = |(name, event): &(&str, Event)| {
        let told = match event.open(0) {
            Ok(_) => "counted".to_owned(),
            Err(reason) => format!("not counted: {reason}"),
        };
        (format!("counter.{name}"), told)
    };
    EVENTS.iter().map(fact).collect()
}
