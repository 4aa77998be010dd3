//! The links of a virtual machine: loopback, and one to the host where the machine has it.
//!
//! A distribution's kernel takes no address from its command line (Debian leaves `CONFIG_IP_PNP` out), and
//! there is no `ip` program in an empty root, so the few requests of netdevice(7) are made here.

#![expect(unsafe_code, reason = "requests for devices are structures of C")]

use rustix::net::{AddressFamily, SocketType};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::str::FromStr;

/// The machine's address in its net and the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    own: Ipv4Addr,
    prefix: u32,
    gateway: Ipv4Addr,
}

impl FromStr for Address {
    type Err = String;

    /// Reads `10.0.2.15/24,10.0.2.2`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (own, gateway) = text.split_once(',')?;
            let (own, prefix) = own.split_once('/')?;
            let prefix = prefix.parse().ok().filter(|bits| (1..=32).contains(bits))?;
            Some(Self { own: own.parse().ok()?, prefix, gateway: gateway.parse().ok()? })
        };
        parts().ok_or_else(|| format!("'{text}' does not have the form ADDRESS/PREFIX,GATEWAY"))
    }
}

/// Sets the loopback link up, for workloads that talk to themselves.
pub fn raise_loopback() -> io::Result<()> {
    Requests::open()?.raise("lo")
}

/// Gives the first link that is not loopback the address, sets it up and routes everything over it. While
/// there is none, `wait` is called to wait for a new device.
pub fn configure(address: &Address, wait: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
    let link = loop {
        match first_link() {
            Some(link) => break link,
            None => wait().map_err(|e| format!("find a network link: {e}"))?,
        }
    };
    let mask = Ipv4Addr::from(u32::MAX << (32 - address.prefix));
    let set = || {
        let requests = Requests::open()?;
        requests.set_address(&link, libc::SIOCSIFADDR, address.own)?;
        requests.set_address(&link, libc::SIOCSIFNETMASK, mask)?;
        requests.raise(&link)?;
        requests.route_all(address.gateway)
    };
    set().map_err(|error: io::Error| format!("bring up the link {link}: {error}"))
}

fn first_link() -> Option<String> {
    let links = std::fs::read_dir(Path::new("/sys/class/net")).ok()?;
    // A kernel with the bonding module has a file here as well.
    let links = links.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    links.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name != "lo").min()
}

/// A socket to make requests on.
struct Requests(OwnedFd);

impl Requests {
    fn open() -> io::Result<Self> {
        Ok(Self(rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?))
    }

    fn raise(&self, link: &str) -> io::Result<()> {
        let mut request = request(link);
        request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
        // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives through the call.
        done(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })
    }

    fn set_address(&self, link: &str, what: libc::Ioctl, address: Ipv4Addr) -> io::Result<()> {
        let mut request = request(link);
        request.ifr_ifru.ifru_addr = socket_address(address);
        // SAFETY: both requests for addresses read one ifreq, which lives through the call.
        done(unsafe { libc::ioctl(self.0.as_raw_fd(), what, &raw const request) })
    }

    fn route_all(&self, gateway: Ipv4Addr) -> io::Result<()> {
        // SAFETY: rtentry is a plain C structure for which all-zero bytes are valid.
        let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
        route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
        route.rt_gateway = socket_address(gateway);
        route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
        // SAFETY: SIOCADDRT reads one rtentry, which lives through the call.
        done(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SIOCADDRT, &raw const route) })
    }
}

fn request(link: &str) -> libc::ifreq {
    // SAFETY: ifreq is a plain C structure for which all-zero bytes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, letter) in request.ifr_name.iter_mut().zip(link.bytes()).take(libc::IFNAMSIZ - 1) {
        *place = letter.cast_signed();
    }
    request
}

/// A `sockaddr_in` in the guise of a `sockaddr`: family, port, address in network order.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (place, byte) in data[2..].iter_mut().zip(address.octets()) {
        *place = byte.cast_signed();
    }
    libc::sockaddr { sa_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(0), sa_data: data }
}

fn done(status: libc::c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_addresses_are_accepted() {
        let address: Address = "10.0.2.15/24,10.0.2.2".parse().expect("valid");
        assert_eq!((address.own.octets()[3], address.prefix, address.gateway.octets()[3]), (15, 24, 2));
        for wrong in ["", "10.0.2.15", "10.0.2.15/24", "10.0.2.15/0,10.0.2.2", "10.0.2.15/33,10.0.2.2"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
