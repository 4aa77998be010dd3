//! Private daemons for all engines without a running daemon.

#![expect(unsafe_code, reason = "variables of the environment are set before there are threads")]

use crate::containerd::{self, PrivateContainerd};
use crate::dockerd::{self, PrivateDockerd};
use crate::incusd::{self, PrivateIncusd};
use crate::libvirtd::PrivateLibvirtd;
use crate::sshd::PrivateSshd;
use crate::tally;

/// The variable with the settings of the driver `ssh` for the private sshd.
pub const SSH_SETTINGS: &str = "ISOTARE_TEST_SSH";

/// The daemons that were started. Dropping it ends them.
#[derive(Default)]
pub struct Engines {
    docker: Option<PrivateDockerd>,
    incus: Option<PrivateIncusd>,
    containerd: Option<PrivateContainerd>,
    libvirt: Option<PrivateLibvirtd>,
    ssh: Option<PrivateSshd>,
}

impl Engines {
    /// Starts a daemon for each engine that these specs need and that does not answer. Sets the environment
    /// variables of this process so that they lead to these daemons. If a daemon cannot be started, this is
    /// reported, and its engine is unavailable.
    ///
    /// # Safety
    ///
    /// No other thread may run: this writes environment variables.
    pub unsafe fn start(specs: &[&str]) -> Self {
        let mut engines = Self::default();
        let needs = |driver: &str| specs.iter().any(|spec| spec.split(':').next() == Some(driver));
        let point = |name: &str, at: &str| {
            // SAFETY: the caller's promise.
            unsafe { std::env::set_var(name, at) }
        };
        if needs("docker") && !dockerd::answers() {
            engines.docker = started("dockerd", PrivateDockerd::with_bridge());
            engines.docker.iter().for_each(|daemon| point("DOCKER_HOST", daemon.host()));
        }
        if needs("incus") && !incusd::answers() {
            engines.incus = started("incusd", PrivateIncusd::start());
            engines.incus.iter().for_each(|daemon| point("INCUS_SOCKET", &daemon.socket().to_string_lossy()));
        }
        if needs("containerd") && !containerd::answers() {
            engines.containerd = started("containerd", PrivateContainerd::start());
            engines
                .containerd
                .iter()
                .for_each(|daemon| point("CONTAINERD_ADDRESS", &daemon.address().to_string_lossy()));
        }
        if needs("ssh") {
            engines.ssh = started("sshd", PrivateSshd::start());
            engines.ssh.iter().for_each(|server| point(SSH_SETTINGS, &server.settings()));
        }
        if needs("libvirt") {
            engines.libvirt = started("libvirtd", PrivateLibvirtd::start());
            engines.libvirt.iter().for_each(|daemon| point("LIBVIRT_DEFAULT_URI", daemon.uri()));
        }
        engines
    }
}

fn started<T, E: std::fmt::Display>(name: &str, daemon: Result<T, E>) -> Option<T> {
    daemon.inspect_err(|why| tally::tell(&format!("no {name} of our own: {why}"))).ok()
}
