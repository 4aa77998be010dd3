//! An SSH server that looks like another machine on the network: `sshd` in a network namespace, at the other
//! end of a veth pair, with new keys.

use isotare_core::{Deadline, Interrupt};
use isotare_host::{Child, Spawn, deadline_in, find_program, output_of, pause};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Longest time for the server to answer.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);
/// sshd needs this folder: sshd(8).
const PRIVILEGE_FOLDER: &str = "/run/sshd";

/// The port on which it accepts only passwords.
pub const PASSWORDS: u16 = 2222;

/// A running server. Dropping it ends it and removes its network.
#[derive(Debug)]
pub struct PrivateSshd {
    folder: TempDir,
    namespace: String,
    address: String,
    child: Option<Child>,
}

impl PrivateSshd {
    /// Makes keys, a network and a server. Root can log in with the key.
    pub fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a network namespace needs root".to_owned());
        }
        for (program, package) in [("sshd", "openssh-server"), ("ssh", "openssh-client"), ("ip", "iproute2")]
        {
            find_program(program).ok_or(format!("the program '{program}' is needed (Debian: {package})"))?;
        }
        let folder = tempfile::Builder::new().prefix("isotare-sshd-").tempdir().map_err(|e| e.to_string())?;
        let pid = std::process::id();
        let net = format!("10.{}.{}", 128 + pid % 100, pid / 100 % 256);
        let (namespace, address) = (format!("isotare-{pid}"), format!("{net}.2"));
        let mut server = Self { folder, namespace, address, child: None };
        server.connect(&format!("{net}.1"))?;
        server.launch()?;
        Ok(server)
    }

    /// Settings with which the driver `ssh` reaches it.
    pub fn settings(&self) -> String {
        let file = |name| self.path(name).display().to_string();
        format!("host={},user=root,key={},known-hosts={}", self.address, file("key"), file("known"))
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A file of its folder: `key`, `known` (hosts), `host` (key), `log`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connect(&self, ours: &str) -> Result<(), String> {
        let (name, theirs) = (&self.namespace, format!("{}/30", self.address));
        let ours = format!("{ours}/30");
        // The name of a link may have 15 bytes.
        let link = name.replace("isotare-", "ish");
        let inside = ["-n", name];
        run("ip", &["netns", "add", name])?;
        run("ip", &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        run("ip", &["address", "add", &ours, "dev", &link])?;
        run("ip", &["link", "set", &link, "up"])?;
        run("ip", &[&inside[..], &["address", "add", &theirs, "dev", "eth0"]].concat())?;
        run("ip", &[&inside[..], &["link", "set", "eth0", "up"]].concat())?;
        run("ip", &[&inside[..], &["link", "set", "lo", "up"]].concat())
    }

    fn launch(&mut self) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        for name in ["host", "key"] {
            let file = self.path(name).display().to_string();
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &file])?;
        }
        let host_key = fs::read_to_string(self.path("host.pub")).map_err(text)?;
        fs::write(self.path("known"), format!("{} {host_key}", self.address)).map_err(text)?;
        fs::copy(self.path("key.pub"), self.path("authorized")).map_err(text)?;
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).map_err(text)?;
        let config = format!(
            "ListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nPermitRootLogin prohibit-password\n\
             PasswordAuthentication no\nUsePAM no\nStrictModes no\nMaxStartups 100\nPort 22\nPort {PASSWORDS}\n\
             Match LocalPort {PASSWORDS}\nPubkeyAuthentication no\nPasswordAuthentication yes\nPermitRootLogin yes\n",
            self.address,
            self.path("host").display(),
            self.path("authorized").display(),
        );
        fs::write(self.path("config"), config).map_err(text)?;
        fs::DirBuilder::new().recursive(true).mode(0o755).create(PRIVILEGE_FOLDER).map_err(text)?;
        let [ip, sshd] = ["ip", "sshd"].map(|name| find_program(name).ok_or(format!("no {name}")));
        let spawn = Spawn::new(ip?)
            .args(["netns", "exec", &self.namespace])
            .arg(sshd?)
            .args(["-D", "-e", "-f"])
            .arg(self.path("config"))
            .output_to(&self.path("log"))
            .outlives_thread();
        let mut child = spawn.start().map_err(text)?;
        let address: SocketAddr = format!("{}:22", self.address).parse().map_err(|e| format!("{e}"))?;
        let deadline = patience();
        while TcpStream::connect_timeout(&address, POLL).is_err() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            if let Some(status) = child.try_wait().map_err(text)? {
                return Err(format!("sshd ended ({status}): {}", log()));
            }
            pause(POLL, &deadline).map_err(|error| format!("start sshd: {error}: {}", log()))?;
        }
        self.child = Some(child);
        Ok(())
    }
}

impl Drop for PrivateSshd {
    fn drop(&mut self) {
        self.child = None;
        // With the namespace, its end of the link is removed, and so is ours.
        let _gone = run("ip", &["netns", "delete", &self.namespace]);
    }
}

fn patience() -> Deadline {
    deadline_in(PATIENCE, &Interrupt::default())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let line = || format!("{program} {}", arguments.join(" "));
    let path = find_program(program).ok_or_else(|| format!("there is no {program}"))?;
    let output = output_of(&path, arguments, &patience()).map_err(|error| format!("{}: {error}", line()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", line(), String::from_utf8_lossy(&output.stderr).trim())),
    }
}
