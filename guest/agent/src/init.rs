//! The first process of a virtual machine: mounts, kernel modules, the loopback link, and the end of the machine.
//!
//! Nothing here is measured by the agent itself; the host brackets the boot. Each step that a workload cannot do
//! without is fatal, the others (control groups, loopback) are not, since a small kernel may lack them.

use crate::arguments::{self, Arguments, Channel};
use crate::link::Link;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};
use rustix::system::{RebootCommand, finit_module, reboot};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Kernel modules to load, one path a line, in order.
const MODULES: &str = "/isotare/modules";

/// Whether this process is the init of a machine, rather than the first process of a container: those get arguments.
/// The kernel hands an init words that it does not know itself, so having some means nothing.
pub fn is_machine() -> bool {
    let is_ours = |word: std::ffi::OsString| word == "--socket" || word == "--port";
    std::process::id() == 1 && !std::env::args_os().skip(1).any(is_ours)
}

/// Brings the machine up, serves the host, and ends the machine.
pub fn run_machine(started_ns: u64) -> ! {
    if let Err(why) = bring_up().and_then(|(link, arguments)| crate::serve(link, &arguments, started_ns)) {
        say(&why);
    }
    power_off();
    // The kernel panics when its init ends, so wait for the host to end the machine.
    loop {
        std::thread::park();
    }
}

/// Ends the machine; returns only when the kernel can do neither of its two ways. A restart comes first: it works on
/// machines without ACPI, and the host tells the monitor to end instead of restarting.
pub fn power_off() {
    rustix::fs::sync();
    for command in [RebootCommand::Restart, RebootCommand::PowerOff] {
        if let Err(error) = reboot(command) {
            say(&format!("end the machine: {error}"));
        }
    }
}

fn bring_up() -> Result<(Link, Arguments), String> {
    mount_system()?;
    // Announcements have to be subscribed to before modules make devices, or one is missed.
    let events = DeviceEvents::subscribe()?;
    load_modules()?;
    let cmdline = fs::read_to_string("/proc/cmdline").map_err(|e| format!("read /proc/cmdline: {e}"))?;
    let arguments = arguments::parse_kernel(&cmdline)?;
    // Without a disk of its own it is part of the root.
    fs::create_dir_all(&arguments.data).map_err(|e| format!("make {}: {e}", arguments.data.display()))?;
    if let Some(disk) = &arguments.disk {
        mount_disk(disk, &arguments.data, &events)?;
    }
    if let Err(error) = raise_loopback() {
        say(&format!("bring up the loopback link: {error}"));
    }
    let Channel::Port(name) = &arguments.channel else {
        return Err("an init needs a virtio port".to_owned());
    };
    let link = Link::open_port(name, &mut || events.wait())?;
    Ok((link, arguments))
}

fn mount_system() -> Result<(), String> {
    let restricted = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounts = [
        ("devtmpfs", "/dev", MountFlags::NOSUID, true),
        ("proc", "/proc", restricted, true),
        ("sysfs", "/sys", restricted, true),
        ("tmpfs", "/tmp", MountFlags::NOSUID | MountFlags::NODEV, true),
        ("tmpfs", "/dev/shm", MountFlags::NOSUID | MountFlags::NODEV, false),
        ("cgroup2", "/sys/fs/cgroup", restricted, false),
    ];
    for (kind, target, flags, needed) in mounts {
        // Fails where it is there already, and in a root that is read-only, where mount then says what is wrong.
        let _ = fs::create_dir_all(target);
        match mount(kind, target, kind, flags, None) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) if needed => return Err(format!("mount {kind} on {target}: {error}")),
            Err(_) => {}
        }
    }
    Ok(())
}

fn load_modules() -> Result<(), String> {
    let list = match fs::read_to_string(MODULES) {
        Ok(list) => list,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("read {MODULES}: {error}")),
    };
    for path in list.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let file = File::open(path).map_err(|e| format!("load module {path}: {e}"))?;
        match finit_module(file, c"", 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(format!("load module {path}: {error}")),
        }
    }
    Ok(())
}

fn mount_disk(disk: &Path, target: &Path, events: &DeviceEvents) -> Result<(), String> {
    let what = format!("mount {} on {}", disk.display(), target.display());
    while !disk.exists() {
        events.wait().map_err(|e| format!("{what}: {e}"))?;
    }
    mount(disk, target, "ext4", MountFlags::NOSUID | MountFlags::NODEV, None)
        .map_err(|e| format!("{what}: {e}"))
}

/// The kernel's announcements of new devices.
struct DeviceEvents(OwnedFd);

impl DeviceEvents {
    fn subscribe() -> Result<Self, String> {
        let text = |error: Errno| format!("subscribe to device events: {error}");
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::KOBJECT_UEVENT),
        )
        .map_err(text)?;
        rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, 1)).map_err(text)?;
        Ok(Self(socket))
    }

    /// Blocks until the kernel announces anything. There is no deadline here: the host has one, and ends the machine.
    fn wait(&self) -> Result<(), String> {
        let mut message = [0_u8; 4096];
        match rustix::net::recv(&self.0, &mut message[..], RecvFlags::empty()) {
            // A lost announcement still means that something happened: the caller looks again.
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => Ok(()),
            Err(error) => Err(format!("wait for a device: {error}")),
        }
    }
}

/// Sets the loopback link up, for workloads that talk to themselves.
fn raise_loopback() -> std::io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: ifreq is a plain C structure for which all-zero bytes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, letter) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *place = libc::c_char::try_from(*letter).unwrap_or(0);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives through the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[expect(clippy::print_stderr, reason = "the console is the only way out while there is no connection")]
fn say(why: &str) {
    eprintln!("isotare-agent: {why}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_is_no_machine() {
        assert!(!super::is_machine());
    }
}
