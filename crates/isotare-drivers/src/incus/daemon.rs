//! The two daemons, and where each listens.

use isotare_core::{Settings, Unavailable};
use std::path::{Path, PathBuf};

/// A daemon by name.
#[derive(Debug)]
pub struct Daemon {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// Variables with the socket itself, and with the folder that holds `unix.socket`.
    variables: [&'static str; 2],
    /// Where packages put the socket.
    sockets: &'static [&'static str],
    /// How to install it.
    pub(super) remedy: &'static str,
    pub(super) sources: &'static [&'static str],
}

/// Incus.
pub static INCUS: Daemon = Daemon {
    name: "incus",
    summary: "a system container of the Incus daemon on this machine, with the agent as init",
    variables: ["INCUS_SOCKET", "INCUS_DIR"],
    sockets: &["/run/incus/unix.socket", "/var/lib/incus/unix.socket"],
    remedy: "install Incus (Debian 13, or 12 with backports: apt-get install incus) and start it (systemctl start incus)",
    sources: &["https://linuxcontainers.org/incus/docs/main/explanation/security/"],
};

/// LXD.
pub static LXD: Daemon = Daemon {
    name: "lxd",
    summary: "a system container of the LXD daemon on this machine, with the agent as init",
    variables: ["LXD_SOCKET", "LXD_DIR"],
    sockets: &["/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket"],
    remedy: "install LXD (Debian: apt-get install lxd, elsewhere its snap) and start it (systemctl start lxd)",
    sources: &["https://documentation.ubuntu.com/lxd/en/latest/explanation/security/"],
};

impl Daemon {
    /// The setting `socket`, otherwise the environment variables, otherwise the first usual place that
    /// exists.
    pub(super) fn socket(&self, settings: &Settings) -> Result<PathBuf, Unavailable> {
        let [socket, folder] =
            self.variables.map(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let given = settings.text("socket").map(PathBuf::from).or(socket.map(PathBuf::from));
        if let Some(path) = given.or(folder.map(|folder| Path::new(&folder).join("unix.socket"))) {
            return Ok(path);
        }
        let usual = self.sockets.iter().map(PathBuf::from).find(|path| path.exists());
        usual.ok_or_else(|| {
            Unavailable::new(
                format!("there is no socket of {} at {}", self.name, self.sockets.join(" or ")),
                self.remedy,
            )
        })
    }
}
