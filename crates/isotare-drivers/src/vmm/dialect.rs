//! The differences between monitors.

use super::Request;
use crate::guest::Shape;
use isotare_core::{Role, Settings};
use std::ffi::OsString;
use std::path::Path;

/// The properties of one monitor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// Its name in messages.
    pub(crate) name: &'static str,
    /// Its program, if the settings name none.
    pub(crate) program: &'static str,
    /// Where to get it.
    pub(crate) package: &'static str,
    /// The modules for its bus, vsock and disk.
    pub(crate) modules: &'static [&'static str],
    /// Kernel parameters for ending the machine, and others that the guest needs.
    pub(crate) parameters: &'static str,
    /// Threads that do not do the monitor's own work, by how their names begin.
    pub(crate) threads: &'static [(&'static str, Role)],
    /// Whether the console is what it writes to its standard output, rather than a file of its own.
    pub(crate) console_on_output: bool,
    /// Its arguments; the path is that of the interface's socket.
    pub(crate) arguments: fn(&Path) -> Vec<OsString>,
    /// The requests that start a machine, in order. The last one starts it.
    pub(crate) requests: fn(&Settings, Shape, &Places<'_>) -> Vec<Request>,
}

/// Files and sockets of one machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) initramfs: &'a Path,
    /// The kernel's parameters.
    pub(crate) parameters: &'a str,
    /// The data disk, if there is one.
    pub(crate) disk: Option<&'a Path>,
    /// The socket of the host's vsock ports; port N is this path with `_N` behind it.
    pub(crate) vsock: &'a Path,
    /// What the serial console writes.
    pub(crate) console: &'a Path,
}
