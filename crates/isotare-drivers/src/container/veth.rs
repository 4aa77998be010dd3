//! The network setting `veth`: a pair of interfaces with a small net of its own, the host's end named after the instance.

use super::wire::{Link, PREFIX};
use isotare_core::{Deadline, DriverError, Unavailable};
use isotare_host::{find_program, output_of};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// First address of the nets.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 231, 0, 0);
/// How many nets of four addresses there are in 10.231.0.0/16.
const NETS: u32 = 1 << 14;

/// The program `ip`, if this user may use it for that.
pub(super) fn usable() -> Result<PathBuf, Unavailable> {
    if !rustix::process::geteuid().is_root() {
        return Err(Unavailable::new(
            "network=veth needs root to make an interface on the host",
            "run as root, or use network=none",
        ));
    }
    find_program("ip").ok_or_else(|| {
        Unavailable::new("network=veth needs the program 'ip'", "install iproute2, or use network=none")
    })
}

/// The link of an instance, in a net that the host has no route to yet.
pub(super) fn plan(instance: &str, ip: PathBuf) -> Link {
    let hash = hash(instance);
    let taken =
        std::fs::read_to_string("/proc/net/route").map(|text| destinations(&text)).unwrap_or_default();
    Link {
        name: format!("iso{:012x}", hash & 0xffff_ffff_ffff),
        ends: choose(hash, &taken),
        ip,
        host: std::process::id(),
    }
}

/// Brings the host's end up.
pub(super) fn configure(link: &Link, deadline: &Deadline) -> Result<(), DriverError> {
    let address = format!("{}/{PREFIX}", link.ends[0]);
    ip(link, &["addr", "add", &address, "dev", &link.name], deadline)?;
    ip(link, &["link", "set", &link.name, "up"], deadline)
}

/// Removes the pair, if it is there.
pub(super) fn remove(link: &Link, deadline: &Deadline) -> Result<(), DriverError> {
    match present(link) {
        // It goes by itself with the container's network namespace, perhaps in between.
        true => ip(link, &["link", "delete", &link.name], deadline)
            .or_else(|error| if present(link) { Err(error) } else { Ok(()) }),
        false => Ok(()),
    }
}

fn present(link: &Link) -> bool {
    std::path::Path::new("/sys/class/net").join(&link.name).exists()
}

fn ip(link: &Link, arguments: &[&str], deadline: &Deadline) -> Result<(), DriverError> {
    let output =
        output_of(&link.ip, arguments, deadline).map_err(|e| e.during("configure link", &link.name))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let cause = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(DriverError::failed("configure link", &link.name, cause))
        }
    }
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The two addresses of the first free net, looking from one that the hash chooses.
fn choose(hash: u64, taken: &HashSet<Ipv4Addr>) -> [Ipv4Addr; 2] {
    let start = u32::try_from(hash % u64::from(NETS)).unwrap_or(0);
    let net = |index: u32| u32::from(FIRST) + index % NETS * 4;
    let free = (start..start + NETS).map(net).find(|&net| !taken.contains(&Ipv4Addr::from(net)));
    let net = free.unwrap_or(net(start));
    [net + 1, net + 2].map(Ipv4Addr::from)
}

/// Destinations in `/proc/net/route`: little-endian hexadecimal in the second column.
fn destinations(text: &str) -> HashSet<Ipv4Addr> {
    let column = text.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(1));
    column
        .filter_map(|word| u32::from_str_radix(word, 16).ok())
        .map(|word| Ipv4Addr::from(word.swap_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_nets_do_not_meet() {
        let link = plan("a-rather-long-name-of-an-instance", "/sbin/ip".into());
        assert_eq!(link.name.len(), 15);
        assert_ne!(plan("b", "/sbin/ip".into()).name, link.name);
        let [host, inside] = choose(5, &HashSet::new());
        assert_eq!((host, inside), (Ipv4Addr::new(10, 231, 0, 21), Ipv4Addr::new(10, 231, 0, 22)));
        let table = "Iface\tDestination\tGateway\nx\t1400E70A\t00000000\n";
        assert_eq!(choose(5, &destinations(table))[0], Ipv4Addr::new(10, 231, 0, 25));
        assert_eq!(choose(u64::from(NETS) - 1, &HashSet::new())[0], Ipv4Addr::new(10, 231, 255, 253));
    }
}
