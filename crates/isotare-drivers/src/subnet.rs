//! Small nets for links between the host and an instance, and names for such links.

use std::collections::HashSet;
use std::net::Ipv4Addr;

/// Bits of a net's address.
pub(crate) const PREFIX: u8 = 30;
/// First address of the nets.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 231, 0, 0);
/// How many nets of four addresses there are in 10.231.0.0/16.
const NETS: u32 = 1 << 14;

/// A link's name for an instance, of the maximum length of names. The prefix has three letters.
pub(crate) fn link_name(prefix: &str, instance: &str) -> String {
    format!("{prefix}{:012x}", hash(instance) & 0xffff_ffff_ffff)
}

/// The host's and the instance's address, in a net that the host has no route to yet.
pub(crate) fn addresses(instance: &str) -> [Ipv4Addr; 2] {
    let taken =
        std::fs::read_to_string("/proc/net/route").map(|text| destinations(&text)).unwrap_or_default();
    choose(hash(instance), &taken)
}

/// FNV-1a, 64 bits.
pub(crate) fn hash(text: &str) -> u64 {
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
    fn names_are_short_enough_and_nets_do_not_overlap() {
        let name = link_name("iso", "a-rather-long-name-of-an-instance");
        assert_eq!(name.len(), 15);
        assert_ne!(link_name("iso", "b"), name);
        let [host, inside] = choose(5, &HashSet::new());
        assert_eq!((host, inside), (Ipv4Addr::new(10, 231, 0, 21), Ipv4Addr::new(10, 231, 0, 22)));
        let table = "Iface\tDestination\tGateway\nx\t1400E70A\t00000000\n";
        assert_eq!(choose(5, &destinations(table))[0], Ipv4Addr::new(10, 231, 0, 25));
        assert_eq!(choose(u64::from(NETS) - 1, &HashSet::new())[0], Ipv4Addr::new(10, 231, 255, 253));
    }
}
