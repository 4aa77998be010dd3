//! The facts about an environment for the fairness ledger.

use super::environment::{HEADROOM, QemuEnvironment};
use super::network::Backend;
use super::spec::{Accelerator, Root};
use std::collections::BTreeMap;

/// Name to value.
pub(super) fn facts(environment: &QemuEnvironment) -> BTreeMap<String, String> {
    let spec = &environment.spec;
    let mut facts = BTreeMap::from([
        ("accelerator", spec.accelerator.word().to_owned()),
        ("machine", spec.machine.word().to_owned()),
        ("vcpus", spec.vcpus.to_string()),
        ("cpu.model", spec.cpu.clone()),
        ("guest.kernel", environment.release.clone()),
        ("guest.kernel.booted", environment.booted.clone()),
        ("root", spec.root.word().to_owned()),
        ("disk.format", if spec.data_disk { spec.storage.format.word() } else { "none" }.to_owned()),
        ("network", spec.network.map_or("loopback only", |network| network.word()).to_owned()),
        ("qemu.version", environment.version.clone()),
        ("vmm.sandbox", spec.confinement.filter_word().to_owned()),
        ("vmm.user", spec.confinement.user_word()),
    ]);
    facts.extend(spec.memory.facts());
    if let Accelerator::Tcg { multi } = spec.accelerator {
        facts.insert("accelerator.thread", if multi { "multi" } else { "single" }.to_owned());
    }
    if spec.data_disk {
        facts.insert("disk.size", spec.storage.size.to_string());
    }
    if spec.root == Root::Disk {
        facts.insert("root.format", spec.storage.format.word().to_owned());
    }
    if !spec.disks().is_empty() {
        facts.insert("disk.bus", spec.storage.bus.word().to_owned());
        facts.insert("disk.cache", spec.storage.cache.clone());
        facts.insert("disk.aio", spec.storage.aio.clone());
    }
    if let Some(network) = spec.network {
        facts.insert("network.nic", network.nic.word().to_owned());
        if let Backend::Tap { vhost } = network.backend {
            facts.insert("network.vhost", vhost.to_string());
        }
    }
    if let Some(khz) = environment.tsc_khz {
        facts.insert("clock.tsc_khz", khz.to_string());
    }
    match &environment.hierarchies {
        Ok(_) => {
            facts.insert("budget.enforced", "cgroup".to_owned());
            facts.insert("vmm.memory.headroom", HEADROOM.to_string());
        }
        Err(why) => {
            facts.insert("budget.enforced", format!("none: {why}"));
        }
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
