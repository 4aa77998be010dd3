//! A private libvirt daemon. Its sockets, state and logs are in mounts that only the daemon sees, and are
//! removed with it.

use isotare_core::Interrupt;
use isotare_host::{Child, Spawn, deadline_in, find_program, output_of, pause};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// Longest time for the daemon to answer.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
/// Debian's daemon looks up this user when it starts. Only libvirt-daemon-system creates it. No process runs
/// as this user here.
const USER: &str = "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n";
const GROUP: &str = "libvirt-qemu:x:64055:\n";

/// A running `libvirtd`. Dropping it ends the daemon. The tests must end its machines themselves.
#[derive(Debug)]
pub struct PrivateLibvirtd {
    uri: String,
    _child: Child,
    _folder: TempDir,
}

impl PrivateLibvirtd {
    /// Starts one and waits until it answers.
    pub fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a private libvirtd needs root".to_owned());
        }
        let find = |name: &str| find_program(name).ok_or(format!("the program '{name}' is needed"));
        let (unshare, virsh) = (find("unshare")?, find("virsh")?);
        let daemon = find("libvirtd")?.display().to_string();
        let text = |error: std::io::Error| format!("make folder for libvirtd: {error}");
        let folder = tempfile::Builder::new().prefix("isotare-libvirtd-").tempdir().map_err(text)?;
        let own = folder.path().display().to_string();
        fs::create_dir(folder.path().join("etc")).map_err(text)?;
        let with = |file: &str, line: &str| fs::read_to_string(file).map(|text| text + line);
        let files = [
            ("passwd", with("/etc/passwd", USER).map_err(text)?),
            ("group", with("/etc/group", GROUP).map_err(text)?),
            (
                "libvirtd.conf",
                format!("unix_sock_dir = \"{own}\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n"),
            ),
            // virtlogd is a separate daemon. So is systemd, which libvirt would use for cgroups.
            (
                "etc/qemu.conf",
                "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\nstdio_handler = \"file\"\n\
                 cgroup_controllers = []\nremember_owner = 0\n"
                    .to_owned(),
            ),
        ];
        for (name, content) in files {
            fs::write(folder.path().join(name), content).map_err(text)?;
        }
        let script = format!(
            "set -e; for d in /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do \
             mkdir -p $d; mount -t tmpfs libvirt $d; done; mkdir -p /etc/libvirt; mount --bind {own}/etc /etc/libvirt; \
             for f in passwd group; do mount --bind {own}/$f /etc/$f; done; \
             exec {daemon} -f {own}/libvirtd.conf -p {own}/pid"
        );
        let log = folder.path().join("log");
        let spawn = Spawn::new(unshare)
            .args(["-m", "--propagation", "private", "sh", "-c", &script])
            .output_to(&log)
            .outlives_thread();
        let mut child = spawn.start().map_err(|error| format!("start {}: {error}", spawn.line()))?;
        let uri = format!("qemu:///system?socket={own}/libvirt-sock");
        let deadline = deadline_in(PATIENCE, &Interrupt::default());
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let answers = || {
            let asked = output_of(&virsh, &["-q", "-c", &uri, "list", "--all"], &deadline);
            asked.is_ok_and(|answer| answer.status.success())
        };
        while !answers() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("libvirtd ended ({status}): {}", said()));
            }
            pause(POLL, &deadline).map_err(|error| format!("start libvirtd: {error}: {}", said()))?;
        }
        Ok(Self { uri, _child: child, _folder: folder })
    }

    /// Its address, as used in `LIBVIRT_DEFAULT_URI`.
    pub fn uri(&self) -> &str {
        &self.uri
    }
}
