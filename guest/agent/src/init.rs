//! The first process of a virtual machine: kernel modules, mounts, links, and the end of the machine.
//!
//! The agent does not measure anything here; the host measures the boot. A step that fails is fatal if
//! workloads need it. Others (control groups, loopback) are not fatal, because a small kernel may not have
//! them.

use crate::arguments::{self, Arguments, Channel};
use crate::link::Link;
use crate::{mounts, network};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};
use rustix::system::{RebootCommand, finit_module, reboot};
use std::fs::{self, File};
use std::os::fd::OwnedFd;

/// Kernel modules to load, one path a line, in order.
const MODULES: &str = "/isotare/modules";

/// Whether this process is the init of a machine, rather than the first process of a container: those get
/// arguments. The kernel hands an init words that it does not know itself, so having some means nothing.
pub fn is_machine() -> bool {
    let is_ours =
        |word: std::ffi::OsString| ["--socket", "--port", "--stdio"].iter().any(|ours| word == *ours);
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

/// Ends the machine; returns only when the kernel can do neither of its two ways. A restart comes first: it
/// works on machines without ACPI, and the host tells the monitor to end instead of restarting. Monitors that
/// cannot be told so get the other order.
pub fn power_off() {
    rustix::fs::sync();
    let mut ways = [RebootCommand::Restart, RebootCommand::PowerOff];
    if fs::read_to_string("/proc/cmdline").is_ok_and(|cmdline| arguments::ends_off(&cmdline)) {
        ways.reverse();
    }
    for command in ways {
        if let Err(error) = reboot(command) {
            say(&format!("end the machine: {error}"));
        }
    }
}

fn bring_up() -> Result<(Link, Arguments), String> {
    mounts::mount_system()?;
    // Announcements have to be subscribed to before modules make devices, or one is missed.
    let events = DeviceEvents::subscribe()?;
    let wait = &mut || events.wait();
    load_modules()?;
    let cmdline = fs::read_to_string("/proc/cmdline").map_err(|e| format!("read /proc/cmdline: {e}"))?;
    let (arguments, machine) = arguments::parse_kernel(&cmdline)?;
    if let Some(root) = &machine.root {
        mounts::switch_root(root, wait)?;
        mounts::mount_system()?;
    }
    // Without a disk of its own it is part of the root.
    fs::create_dir_all(&arguments.data).map_err(|e| format!("make {}: {e}", arguments.data.display()))?;
    if let Some(disk) = &machine.disk {
        mounts::mount_disk(disk, &arguments.data, wait)?;
    }
    if let Err(error) = network::raise_loopback() {
        say(&format!("bring up the loopback link: {error}"));
    }
    if let Some(address) = &machine.address {
        network::configure(address, wait)?;
    }
    if matches!(arguments.channel, Channel::Device(_)) {
        // The line may be the console of the kernel, too. From here on it carries messages to the host alone.
        // 0 is "silent": level 1 still lets emergencies through, such as the report of a soft lockup, and an
        // oops makes the kernel raise every level but 0 (`CONSOLE_LOGLEVEL_SILENT` in include/linux/printk.h,
        // `console_verbose`).
        fs::write("/proc/sys/kernel/printk", "0").map_err(|e| format!("silence the kernel: {e}"))?;
    }
    let link = Link::open(&arguments.channel, wait)?;
    Ok((link, arguments))
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
        // The kernel has its copy; this one takes memory that the workload is to have.
        let _ = fs::remove_file(path);
    }
    Ok(())
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

    /// Blocks until the kernel announces anything. There is no deadline here: the host has one, and ends the
    /// machine.
    fn wait(&self) -> Result<(), String> {
        let mut message = [0_u8; 4096];
        match rustix::net::recv(&self.0, &mut message[..], RecvFlags::empty()) {
            // A lost announcement still means that something happened: the caller looks again.
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => Ok(()),
            Err(error) => Err(format!("wait for a device: {error}")),
        }
    }
}

#[expect(clippy::print_stderr, reason = "without a connection, messages can only go to the console")]
fn say(why: &str) {
    eprintln!("isotare-agent: {why}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_is_not_the_init_of_a_machine() {
        assert!(!super::is_machine());
    }
}
