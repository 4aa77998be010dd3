//! Facts about the host, and what on it can disturb a measurement.
//!
//! Facts are texts by name. A fact that the host does not report is `unknown`; [`host_facts`] never fails.
//! Warnings are sentences about real problems: what was found, and what to do. Nothing on the host is
//! changed.
//!
//! ```
//! use std::path::Path;
//! let host = isotare_facts::host_facts(Path::new("/"));
//! assert!(host.facts.contains_key("kernel"));
//! ```

mod cpu;
mod emulation;
mod kernel;
mod load;
mod machine;
mod memory;
mod root;
mod storage;
mod warnings;

use isotare_core::HostFacts;
use root::Root;
use std::path::Path;
use std::thread;
use std::time::Duration;

pub use storage::storage_facts;

/// The value of a fact that cannot be found out.
pub const UNKNOWN: &str = "unknown";

/// Whether this machine's processor is emulated in software. If so, its times say nothing about real speed,
/// and timeouts have to be longer.
pub fn is_emulated() -> bool {
    emulation::facts(&Root::new(Path::new("/"))).iter().any(|(_, value)| is_yes(value.as_deref()))
}

/// Whether facts of [`host_facts`] say so of their machine.
pub(crate) fn is_yes(fact: Option<&str>) -> bool {
    fact.is_some_and(|value| value.starts_with("yes"))
}

/// How long the steal time is watched.
const STEAL_WINDOW: Duration = Duration::from_millis(100);

/// Everything about the machine whose file systems are below `root`. Takes a tenth of a second, to watch
/// steal.
pub fn host_facts(root: &Path) -> HostFacts {
    let root = Root::new(root);
    let before = load::cpu_times(&root);
    thread::sleep(STEAL_WINDOW);
    let after = load::cpu_times(&root);
    let facts = cpu::facts(&root)
        .into_iter()
        .chain(machine::facts(&root))
        .chain(emulation::facts(&root))
        .chain(kernel::facts(&root))
        .chain(memory::facts(&root))
        .chain(load::facts(&root, before, after))
        .map(|(name, value)| (name.to_owned(), value.unwrap_or_else(|| UNKNOWN.to_owned())))
        .collect();
    let warnings = warnings::of(&facts);
    HostFacts { facts, warnings }
}
