//! The guest's memory: its size, its pages, and whether the host has enough of it.

use isotare_core::{Budget, Settings, Unavailable};
use std::collections::BTreeMap;
use std::fs;

/// Smallest memory with which a distribution's kernel and our initramfs boot.
const LEAST: u64 = 96 << 20;

/// What a user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Whole MiB.
    pub(super) bytes: u64,
    pub(super) huge_pages: bool,
    /// Whether it may be more than the host has available.
    pub(super) overcommit: bool,
}

impl Memory {
    /// Reads checked settings.
    pub(super) fn read(settings: &Settings, budget: &Budget) -> Result<Self, Unavailable> {
        let wanted = settings.integer("memory").unwrap_or(budget.memory);
        if wanted < LEAST {
            return Err(Unavailable::new(
                format!("{wanted} bytes of memory are not enough for a guest"),
                format!("give it {} MiB or more (with the setting memory, or the budget)", LEAST >> 20),
            ));
        }
        Ok(Self {
            bytes: wanted >> 20 << 20,
            huge_pages: settings.flag("hugepages"),
            overcommit: settings.flag("overcommit"),
        })
    }

    /// Refuses a size that the host does not have, according to `/proc/meminfo`.
    pub(super) fn check(self, meminfo: &str) -> Result<(), Unavailable> {
        let mib = self.bytes >> 20;
        let field = |name| field(meminfo, name);
        if self.huge_pages {
            let free = field("HugePages_Free:").unwrap_or(0);
            let size = field("Hugepagesize:").filter(|&kib| kib > 0).unwrap_or(2048) << 10;
            let needed = self.bytes.div_ceil(size);
            if !self.bytes.is_multiple_of(size) {
                let given = format!("{mib} MiB are not a multiple of the huge page size, {} MiB", size >> 20);
                return Err(Unavailable::new(given, "choose another memory=…, or hugepages=false"));
            }
            if free < needed {
                return Err(Unavailable::new(
                    format!("{needed} huge pages of {} MiB are needed, but only {free} are free", size >> 20),
                    format!(
                        "reserve them: sysctl vm.nr_hugepages={needed} (or more, if other programs use them)"
                    ),
                ));
            }
            return Ok(());
        }
        match field("MemAvailable:").map(|kib| kib >> 10) {
            Some(available) if mib > available && !self.overcommit => Err(Unavailable::new(
                format!(
                    "a guest of {mib} MiB is larger than the {available} MiB that the host has available"
                ),
                "give it less memory (memory=…), or use overcommit=true, with which the host can run out of \
                 memory",
            )),
            _ => Ok(()),
        }
    }

    /// The object that holds it, with the id `ram`; `None` where QEMU's own does. `shared`: with another
    /// process.
    ///
    /// Huge pages are allocated at the start, because a guest that uses one page too many is killed by a bus
    /// error.
    pub(super) fn backend(self, shared: bool) -> Option<String> {
        let size = self.bytes >> 20;
        let object = match (self.huge_pages, shared, self.overcommit) {
            (true, ..) => format!("memory-backend-memfd,id=ram,size={size}M,hugetlb=on,prealloc=on,share=on"),
            (_, true, false) => format!("memory-backend-memfd,id=ram,size={size}M,share=on"),
            (_, true, true) => format!("memory-backend-memfd,id=ram,size={size}M,share=on,reserve=off"),
            (_, _, true) => format!("memory-backend-ram,id=ram,size={size}M,reserve=off"),
            _ => return None,
        };
        Some(object)
    }

    /// Facts about it and about the host's.
    pub(super) fn facts(self) -> BTreeMap<&'static str, String> {
        let host = meminfo();
        let total = field(&host, "MemTotal:").map(|kib| kib << 10);
        let ksm = fs::read_to_string("/sys/kernel/mm/ksm/run").ok();
        let mut facts = BTreeMap::from([
            ("memory", self.bytes.to_string()),
            ("memory.hugepages", self.huge_pages.to_string()),
            ("memory.overcommit", self.overcommit.to_string()),
        ]);
        facts.extend(total.map(|bytes| ("memory.host", bytes.to_string())));
        // QEMU offers the guest's pages for merging (-machine mem-merge=on);
        // Documentation/admin-guide/mm/ksm.rst.
        facts.extend(ksm.map(|run| ("memory.host.ksm", run.trim().to_owned())));
        facts
    }
}

/// The host's `/proc/meminfo`; empty if it cannot be read.
pub(super) fn meminfo() -> String {
    fs::read_to_string("/proc/meminfo").unwrap_or_default()
}

/// The number after a name.
fn field(meminfo: &str, name: &str) -> Option<u64> {
    meminfo.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24684084 kB\nMemAvailable:    1048576 kB\n\
        HugePages_Total:     100\nHugePages_Free:      64\nHugepagesize:       2048 kB\n";

    fn memory(mib: u64) -> Memory {
        Memory { bytes: mib << 20, huge_pages: false, overcommit: false }
    }

    #[test]
    fn more_memory_than_the_host_has_free_needs_a_setting() {
        assert_eq!(memory(1024).check(MEMINFO), Ok(()));
        let error = memory(1025).check(MEMINFO).expect_err("too much").to_string();
        assert!(
            error.contains("1025 MiB") && error.contains("1024 MiB") && error.contains("overcommit=true")
        );
        let allowed = Memory { overcommit: true, ..memory(4096) };
        assert_eq!(allowed.check(MEMINFO), Ok(()));
        assert!(allowed.backend(false).expect("an object").ends_with("reserve=off"));
    }

    #[test]
    fn huge_pages_have_to_be_reserved() {
        let huge = |mib| Memory { huge_pages: true, ..memory(mib) };
        assert_eq!(huge(128).check(MEMINFO), Ok(()));
        let error = huge(130).check(MEMINFO).expect_err("too few").to_string();
        assert!(error.contains("65 huge pages") && error.contains("64 are free"), "{error}");
        assert!(huge(127).check(MEMINFO).expect_err("odd").reason.contains("not a multiple"));
    }
}
