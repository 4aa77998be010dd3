//! A bridge with a small private net for a private engine. It does not change the user's networks or the
//! firewall.

use isotare_core::{Cause, Deadline, DriverError, Interrupt, Ledger, Resource};
use isotare_host::{deadline_in, find_program, output_of, sweep};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

/// Longest time for removing it.
const REMOVAL: Duration = Duration::from_secs(5);

/// A bridge of the host with one of the nets 10.232.N.0/24. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct BridgeNet {
    /// Name of the interface.
    pub(crate) link: String,
    number: u8,
}

impl BridgeNet {
    /// Chooses a name from the engine's folder, which is unique, and a net to which the host has no route.
    /// After this it is recorded in the ledger, but not created yet.
    pub(crate) fn plan(folder: &Path, ledger: &dyn Ledger) -> Result<Self, DriverError> {
        let mut hasher = DefaultHasher::new();
        (folder, std::process::id()).hash(&mut hasher);
        let hash = hasher.finish();
        let link = format!("isob{:010x}", hash & 0xff_ffff_ffff);
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let number = free(hash.to_le_bytes()[7], &routes).ok_or_else(|| {
            DriverError::failed("find net for", &link, "all networks in 10.232.0.0/16 are in use")
        })?;
        ledger
            .record(&Resource::Link { name: link.clone() })
            .map_err(|error| DriverError::failed("record link", &link, error))?;
        Ok(Self { link, number })
    }

    /// The net, as `10.232.7.0/24`.
    pub(crate) fn subnet(&self) -> String {
        format!("10.232.{}.0/24", self.number)
    }

    /// The bridge's own address.
    pub(crate) fn gateway(&self) -> String {
        format!("10.232.{}.1", self.number)
    }

    /// Creates it, for an engine that does not create it itself.
    pub(crate) fn make(&self, deadline: &Deadline) -> Result<(), DriverError> {
        let failed = |cause: Cause| DriverError::failed("make bridge", &self.link, cause);
        let ip =
            find_program("ip").ok_or_else(|| failed("there is no program 'ip' (Debian: iproute2)".into()))?;
        let address = format!("{}/24", self.gateway());
        let commands: [&[&str]; 3] = [
            &["link", "add", &self.link, "type", "bridge"],
            &["address", "add", &address, "dev", &self.link],
            &["link", "set", &self.link, "up"],
        ];
        for arguments in commands {
            let output =
                output_of(&ip, arguments, deadline).map_err(|e| e.during("make bridge", &self.link))?;
            if !output.status.success() {
                return Err(failed(String::from_utf8_lossy(&output.stderr).trim().into()));
            }
        }
        Ok(())
    }
}

impl Drop for BridgeNet {
    fn drop(&mut self) {
        // What cannot be removed now stays recorded in the ledger.
        let _recorded =
            sweep(&Resource::Link { name: self.link.clone() }, &deadline_in(REMOVAL, &Interrupt::default()));
    }
}

/// The first N, starting at `first`, for which no route has the destination 10.232.N.0. `/proc/net/route` has
/// addresses in hexadecimal in the byte order of the machine.
fn free(first: u8, routes: &str) -> Option<u8> {
    let taken = |number: u8| {
        let destination = format!("{:08X}", u32::from_ne_bytes([10, 232, number, 0]));
        routes.lines().any(|line| line.split('\t').nth(1) == Some(destination.as_str()))
    };
    (0..=u8::MAX).map(|step| first.wrapping_add(step)).find(|&number| !taken(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_net_that_has_a_route_is_not_used() {
        let routes = "Iface\tDestination\tGateway\nisob1\t0007E80A\t00000000\n";
        assert_eq!(free(7, routes), Some(8));
        assert_eq!(free(9, routes), Some(9));
    }
}
