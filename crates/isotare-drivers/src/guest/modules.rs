//! Which kernel modules an initramfs needs, and in which order they have to be loaded.
//!
//! It is calculated from the kernel's own `modules.dep`, `modules.softdep` and `modules.builtin`, because a
//! driver can be built in on one distribution and a module on another.

use std::collections::{BTreeMap, BTreeSet};

/// A module that the kernel has neither as a file nor built in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the kernel does not have the module {0}, neither as a file nor built in")]
pub(crate) struct Missing(String);

/// The modules a kernel offers.
#[derive(Debug, Default)]
pub(crate) struct ModuleIndex {
    /// Module name to its file and the files it depends on, both relative to `/lib/modules/RELEASE`.
    loadable: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
    /// Module name to the modules that it asks for by itself while it loads (`softdep … pre:` of
    /// modprobe.d(5)).
    before: BTreeMap<String, Vec<String>>,
}

impl ModuleIndex {
    /// Reads the texts of `modules.dep`, `modules.builtin` and `modules.softdep`.
    pub(crate) fn parse(modules_dep: &str, modules_builtin: &str, modules_softdep: &str) -> Self {
        let loadable = modules_dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(file, needs)| {
                let needs = needs.split_whitespace().map(str::to_owned).collect();
                (module_name(file), (file.to_owned(), needs))
            })
            .collect();
        let builtin = modules_builtin.lines().map(module_name).collect();
        let mut index = Self { loadable, builtin, before: BTreeMap::new() };
        for line in modules_softdep.lines() {
            let mut words = line.split_whitespace();
            if let (Some("softdep"), Some(module), Some("pre:")) = (words.next(), words.next(), words.next())
            {
                let wanted = words.take_while(|word| !word.ends_with(':'));
                let found: Vec<String> = wanted.filter_map(|name| index.implementation(name)).collect();
                index.before.entry(module_name(module)).or_default().extend(found);
            }
        }
        index
    }

    /// The module to load for a name that another asks for, which may be that of an algorithm:
    /// `crypto-crc32c`, of which `crc32c_generic` works on every processor. `None` if nothing has to be
    /// loaded, or can be loaded.
    fn implementation(&self, name: &str) -> Option<String> {
        let name = module_name(name);
        let algorithm = name.strip_prefix("crypto_").unwrap_or(&name);
        [name.clone(), format!("{algorithm}_generic")]
            .into_iter()
            .find(|name| self.loadable.contains_key(name))
    }

    /// The files to load for `wanted`, every file after those it depends on, each once; built-in modules need
    /// none.
    pub(crate) fn load_order(&self, wanted: &[&str]) -> Result<Vec<&str>, Missing> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for name in wanted {
            self.visit(&module_name(name), &mut seen, &mut order)?;
        }
        Ok(order)
    }

    /// Whether the kernel has all of these.
    pub(super) fn has(&self, wanted: &[&str]) -> bool {
        self.load_order(wanted).is_ok()
    }

    /// Depth first: dependencies come first. `modules.dep` already lists the transitive closure, but its
    /// order is not guaranteed, so the graph is searched.
    fn visit<'index>(
        &'index self,
        name: &str,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<&'index str>,
    ) -> Result<(), Missing> {
        if !seen.insert(name.to_owned()) {
            return Ok(());
        }
        match self.loadable.get(name) {
            Some((file, needs)) => {
                for need in self.before.get(name).into_iter().flatten() {
                    self.visit(need, seen, order)?;
                }
                for need in needs {
                    self.visit(&module_name(need), seen, order)?;
                }
                order.push(file);
                Ok(())
            }
            None if self.builtin.contains(name) => Ok(()),
            None => Err(Missing(name.to_owned())),
        }
    }
}

/// `kernel/drivers/char/hw_random/virtio-rng.ko.xz` is the module `virtio_rng`: the kernel uses underscores
/// instead of dashes in names.
fn module_name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split(".ko").next().unwrap_or(base).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/virtio.ko: kernel/virtio_ring.ko\n\
        kernel/virtio_ring.ko:\n\
        kernel/virtio_pci.ko: kernel/virtio_pci_modern_dev.ko kernel/virtio.ko kernel/virtio_ring.ko\n\
        kernel/virtio_pci_modern_dev.ko.xz:\n\
        kernel/virtio-rng.ko: kernel/virtio.ko kernel/virtio_ring.ko\n";

    #[test]
    fn dependencies_come_first_and_once() {
        let index = ModuleIndex::parse(DEP, "kernel/fs/ext4/ext4.ko\n", "");
        assert_eq!(
            index.load_order(&["virtio_pci", "ext4", "virtio_rng"]),
            Ok(vec![
                "kernel/virtio_pci_modern_dev.ko.xz",
                "kernel/virtio_ring.ko",
                "kernel/virtio.ko",
                "kernel/virtio_pci.ko",
                "kernel/virtio-rng.ko",
            ])
        );
    }

    // From the generic kernel of Debian 12. In the cloud kernel crc32c is built in.
    #[test]
    fn soft_dependencies_of_a_module_are_loaded_before_it() {
        let dep = "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n\
                   kernel/fs/jbd2/jbd2.ko:\n\
                   kernel/crypto/crc32c_generic.ko:\n";
        let soft = "# Soft dependencies.\nsoftdep ext4 pre: crypto-crc32c\nsoftdep jbd2 pre: crypto-crc32c\n\
                    softdep btrfs pre: sha256\n";
        let index = ModuleIndex::parse(dep, "", soft);
        let order =
            vec!["kernel/crypto/crc32c_generic.ko", "kernel/fs/jbd2/jbd2.ko", "kernel/fs/ext4/ext4.ko"];
        assert_eq!(index.load_order(&["ext4"]), Ok(order));
    }

    #[test]
    fn an_unknown_module_is_named() {
        let index = ModuleIndex::parse(DEP, "", "");
        assert_eq!(index.load_order(&["ext4"]), Err(Missing("ext4".to_owned())));
    }
}
