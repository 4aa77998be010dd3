//! Every driver, in the order in which users see them.

use isotare_core::Driver;

/// One line for each driver.
pub static DRIVERS: &[&dyn Driver] = &[
    &crate::native::Native,
    &crate::chroot::Chroot,
    &crate::bubblewrap::Bubblewrap,
    &crate::nspawn::Nspawn,
    &crate::ladder::Ladder,
    &crate::container::Container,
    &crate::oci::RUNC,
    &crate::oci::CRUN,
    &crate::oci::YOUKI,
    &crate::oci::RUNSC,
    &crate::containerd::CONTAINERD,
    &crate::docker::Docker,
    &crate::lxc::Lxc,
    &crate::incus::INCUS,
    &crate::incus::LXD,
    &crate::podman::Podman,
    &crate::qemu::Qemu,
    &crate::containerd::KATA,
    &crate::firecracker::Firecracker,
    &crate::cloud_hypervisor::CloudHypervisor,
    &crate::libvirt::Libvirt,
    &crate::xen::Xen,
    &crate::ssh::Ssh,
];

/// The default environments of a comparison: one of each kind.
pub static USUAL: &[&str] = &["native", "container", "docker", "qemu"];

/// A name of an unknown driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDriver {
    /// The name asked for.
    pub name: String,
    /// The known names.
    pub known: Vec<&'static str>,
}

impl std::error::Error for UnknownDriver {}

impl std::fmt::Display for UnknownDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown driver '{}'; known drivers: {}", self.name, self.known.join(", "))
    }
}

/// The driver of this name.
pub fn find(name: &str) -> Result<&'static dyn Driver, UnknownDriver> {
    DRIVERS.iter().copied().find(|driver| driver.name() == name).ok_or_else(|| UnknownDriver {
        name: name.to_owned(),
        known: DRIVERS.iter().map(|driver| driver.name()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Settings;
    use std::collections::HashSet;

    #[test]
    fn names_and_settings_are_unique_and_defaults_are_valid() {
        let names: HashSet<&str> = DRIVERS.iter().map(|driver| driver.name()).collect();
        assert_eq!(names.len(), DRIVERS.len());
        for driver in DRIVERS {
            let keys: HashSet<&str> = driver.settings().iter().map(|def| def.key).collect();
            assert_eq!(keys.len(), driver.settings().len(), "{}", driver.name());
            for def in driver.settings() {
                assert!(def.default.is_none_or(|text| def.kind.parse(text).is_some()), "{}", def.key);
            }
            let checked = Settings::check(driver.name(), driver.settings(), []);
            assert!(checked.is_ok(), "{}: {checked:?}", driver.name());
        }
    }
}
