//! Memory: its size, and what the kernel does with it automatically.
//!
//! Sources: proc_meminfo(5), proc_swaps(5), Documentation/admin-guide/mm/{transhuge,ksm}.rst.

use crate::root::{Fact, Root, colon};

pub(crate) fn facts(root: &Root) -> Vec<Fact> {
    let info = root.text("proc/meminfo").unwrap_or_default();
    let bytes = |key| {
        colon(&info, key)?.trim_end_matches(" kB").parse::<u64>().ok().map(|kib| (kib * 1024).to_string())
    };
    let ksm = root.text("sys/kernel/mm/ksm/run").map(|run| if run == "1" { "on" } else { "off" }.to_owned());
    vec![
        ("memory-total-bytes", bytes("MemTotal")),
        ("memory-available-bytes", bytes("MemAvailable")),
        ("swap-bytes", bytes("SwapTotal")),
        ("transparent-huge-pages", root.chosen("sys/kernel/mm/transparent_hugepage/enabled")),
        ("ksm", ksm),
    ]
}
