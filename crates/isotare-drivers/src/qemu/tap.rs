//! The link of one machine on the host: a tap, on a bridge of its own with an address.

use crate::subnet::{PREFIX, addresses, link_name};
use isotare_core::{Cause, DriverError, InstanceContext, Resource};
use isotare_host::output_of;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Both interfaces. Removed by [`Tap::remove`].
#[derive(Debug)]
pub(super) struct Tap {
    ip: PathBuf,
    /// The interface that QEMU opens.
    pub(super) name: String,
    bridge: String,
    /// The host's and the guest's.
    ends: [Ipv4Addr; 2],
}

impl Tap {
    /// Names and addresses for an instance; nothing is made yet.
    pub(super) fn plan(ip: &Path, instance: &str) -> Self {
        Self {
            ip: ip.to_owned(),
            name: link_name("ist", instance),
            bridge: link_name("isb", instance),
            ends: addresses(instance),
        }
    }

    /// The guest's address and the host's, as the agent reads them.
    pub(super) fn address(&self) -> String {
        let [host, guest] = self.ends;
        format!("{guest}/{PREFIX},{host}")
    }

    /// Makes both and connects them.
    pub(super) fn make(&self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        for name in [&self.bridge, &self.name] {
            cx.ledger
                .record(&Resource::Link { name: name.clone() })
                .map_err(|e| DriverError::failed("record link", name, e))?;
        }
        let (tap, bridge, [host, _]) = (&self.name, &self.bridge, self.ends);
        self.run(
            &format!(
                "link add {bridge} type bridge\naddr add {host}/{PREFIX} dev {bridge}\nlink set {bridge} up\n\
                 tuntap add dev {tap} mode tap\nlink set {tap} master {bridge} up\n"
            ),
            cx,
        )
    }

    /// Removes what there is of them.
    pub(super) fn remove(&self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let there = |name: &&String| Path::new("/sys/class/net").join(name).exists();
        let names = [&self.name, &self.bridge].into_iter().filter(there);
        let commands: String = names.map(|name| format!("link delete {name}\n")).collect();
        if commands.is_empty() { Ok(()) } else { self.run(&commands, cx) }
    }

    fn run(&self, commands: &str, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        let failed = |cause: Cause| DriverError::failed("set link", &self.name, cause);
        let batch = cx.run.join("link.batch");
        fs::write(&batch, commands).map_err(|e| failed(e.into()))?;
        let output = output_of(&self.ip, &["-batch", &batch.to_string_lossy()], &cx.deadline)
            .map_err(|e| e.during("set link", &self.name))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().into())),
        }
    }
}
