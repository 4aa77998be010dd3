//! Whether this machine's processor is real, or emulated in software.
//!
//! Sources: the hypervisor's signature in CPUID leaf 0x40000000 (Documentation/virt/kvm/x86/cpuid.rst; QEMU's
//! software emulation answers `TCGTCGTCGTCG`, target/i386/cpu.c), as systemd-detect-virt(1) reads it; model
//! name in proc_cpuinfo(5).

use crate::root::{Fact, Root, colon};

const TCG: &str = "TCGTCGTCGTCG";

pub(crate) fn facts(root: &Root) -> Vec<Fact> {
    let model = root.text("proc/cpuinfo").map(|info| colon(&info, "model name").unwrap_or_default());
    vec![("emulated", model.map(|model| of(&model, &signature(root))))]
}

fn of(model: &str, signature: &str) -> String {
    match model.starts_with("QEMU TCG") || signature == TCG {
        true => "yes (QEMU TCG)".to_owned(),
        false => "no".to_owned(),
    }
}

/// What the hypervisor calls itself; empty where there is none or it cannot be asked.
#[cfg(target_arch = "x86_64")]
fn signature(root: &Root) -> String {
    // Only this machine's processor can be asked.
    if !root.is_this_machine() {
        return String::new();
    }
    #[expect(unsafe_code, unused_unsafe, reason = "older compilers call it unsafe")]
    // SAFETY: every x86-64 processor has CPUID; a leaf that it does not know gives meaningless numbers.
    let leaf = unsafe { std::arch::x86_64::__cpuid(0x4000_0000) };
    let bytes: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx].iter().flat_map(|word| word.to_le_bytes()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(not(target_arch = "x86_64"))]
fn signature(_: &Root) -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn only_software_emulation_counts_as_emulated() {
        assert_eq!(of("QEMU TCG CPU version 2.5+", ""), "yes (QEMU TCG)");
        assert_eq!(of("QEMU Virtual CPU version 2.5+", super::TCG), "yes (QEMU TCG)");
        assert_eq!(of("QEMU Virtual CPU version 2.5+", "KVMKVMKVM\0\0\0"), "no");
        assert_eq!(of("Intel(R) Xeon(R) Processor", ""), "no");
    }
}
