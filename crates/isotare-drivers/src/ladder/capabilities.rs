//! Dropping capabilities.

use crate::container::broker::error::{BrokerError, Step};
use crate::oci::profile::CAPABILITIES;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities};

/// Keeps Docker's default capabilities in the bounding, permitted and effective sets; a program that root
/// executes gets what the bounding set allows (capabilities(7)).
pub(super) fn drop_others() -> Result<(), BrokerError> {
    let keep = kept();
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if keep.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Beyond the last one that the kernel knows.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error).step("bound the capabilities"),
        }
    }
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).step("drop capabilities")
}

fn kept() -> CapabilitySet {
    CAPABILITIES.iter().filter_map(|name| CapabilitySet::from_name(&name.to_string())).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_capabilities_are_the_fourteen_of_docker() {
        assert_eq!(super::kept().bits(), 0xa804_25fb);
    }
}
