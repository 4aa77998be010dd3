//! The configuration of one container in the format of lxc.container.conf(5).

use crate::container::veth::{Link, PREFIX};
use crate::root::{SOCKET, socket_inside};
use isotare_cgroup::Version;
use isotare_core::{AGENT_PATH, CONTROL_DIR, DATA_DIR};
use std::path::Path;

/// Debian's defaults for every container, as `lxc-create`'s templates include them: dropped capabilities,
/// seccomp filter, devices, mounts.
pub(super) const COMMON: &str = "/usr/share/lxc/config/common.conf";
/// Additional settings for a container with a user namespace.
const USERNS: &str = "/usr/share/lxc/config/userns.conf";

/// First user of the host to which users of an unprivileged container are mapped, and their number: the first
/// line of Debian's own `/etc/subuid`.
pub(super) const MAPPED: (u32, u32) = (1_000_000, 65_536);

/// A container.
pub(super) struct Container<'a> {
    /// `dir:PATH` or `overlay:LOWER:…:UPPER`.
    pub rootfs: &'a str,
    /// Folder of the host with the control socket, if liblxc has to show it inside.
    pub control: Option<&'a Path>,
    /// Its cgroup from the hierarchies' roots; the monitor's is next to it.
    pub cgroup: &'a str,
    /// File and value for its cgroup.
    pub limits: &'a [(Version, &'static str, String)],
    /// Its interface, and the file with the commands for the host's end.
    pub link: Option<(&'a Link, &'a Path)>,
    /// Whether its root is another user of the host.
    pub unprivileged: bool,
}

/// The cgroups that liblxc makes for a container: its own, and its monitor's, which must not lie below it.
pub(crate) fn groups_of(cgroup: &str) -> [String; 2] {
    [cgroup.to_owned(), format!("{cgroup}.monitor")]
}

impl Container<'_> {
    /// The file's text.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![format!("lxc.include = {COMMON}")];
        let mut set = |key: &str, value: &str| lines.push(format!("{key} = {value}"));
        if self.unprivileged {
            set("lxc.include", USERNS);
            let (first, count) = MAPPED;
            set("lxc.idmap", &format!("u 0 {first} {count}"));
            set("lxc.idmap", &format!("g 0 {first} {count}"));
            set("lxc.rootfs.options", "idmap=container");
        }
        // lxcfs is installed with Debian's package, and its hook after the end is only a pause of half a
        // second.
        for hook in ["mount", "post-stop"] {
            set(&format!("lxc.hook.{hook}"), "");
        }
        set("lxc.rootfs.path", self.rootfs);
        set("lxc.uts.name", "isotare");
        set("lxc.init.cmd", &format!("{AGENT_PATH} --socket {CONTROL_DIR}/agent.sock --data {DATA_DIR}"));
        if let Some(control) = self.control {
            let socket = escape(&control.join(SOCKET).to_string_lossy());
            let inside = socket_inside();
            let inside = inside.strip_prefix("/").unwrap_or(&inside).display();
            set(
                "lxc.mount.entry",
                &format!("{socket} {inside} none bind,create=file,ro,nosuid,nodev,noexec 0 0"),
            );
        }
        // The agent writes to the log of `lxc-start`. A console is not needed, because nobody logs in.
        set("lxc.console.path", "none");
        set("lxc.tty.dir", "");
        set("lxc.tty.max", "0");
        let parent = self.cgroup.rsplit_once('/').map_or("", |(parent, _)| parent);
        let [container, monitor] = groups_of(self.cgroup);
        set("lxc.cgroup.dir.container", &container);
        set("lxc.cgroup.dir.monitor", &monitor);
        // Where the monitor goes to remove both, so that nothing is left at the hierarchies' roots.
        set("lxc.cgroup.dir.monitor.pivot", parent);
        for (version, file, value) in self.limits {
            let kind = if *version == Version::V2 { "cgroup2" } else { "cgroup" };
            set(&format!("lxc.{kind}.{file}"), value);
        }
        match self.link {
            None => set("lxc.net.0.type", "empty"),
            Some((link, batch)) => {
                let [outside, inside] = link.ends;
                set("lxc.net.0.type", "veth");
                set("lxc.net.0.name", "eth0");
                set("lxc.net.0.veth.pair", &link.name);
                set("lxc.net.0.ipv4.address", &format!("{inside}/{PREFIX}"));
                set("lxc.net.0.ipv4.gateway", &outside.to_string());
                set("lxc.net.0.flags", "up");
                // A shell runs it with additional arguments, which the `#` at the end turns into a comment.
                set("lxc.net.0.script.up", &format!("{} -batch '{}' #", link.ip.display(), batch.display()));
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// The commands of `ip` that bring the host's end of a link up.
pub(super) fn batch(link: &Link) -> String {
    let Link { name, ends: [outside, _], .. } = link;
    format!("addr add {outside}/{PREFIX} dev {name}\nlink set {name} up\n")
}

/// Blanks of a mount entry, as fstab(5) writes them.
fn escape(path: &str) -> String {
    path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(link: Option<(&Link, &Path)>, unprivileged: bool) -> String {
        let limits =
            [(Version::V1, "cpuset.cpus", "0".to_owned()), (Version::V2, "memory.max", "9".to_owned())];
        let container = Container {
            rootfs: "overlay:/l:/u",
            control: Some(Path::new("/run/a b")).filter(|_| !unprivileged),
            cgroup: "isotare/s/i",
            limits: &limits,
            link,
            unprivileged,
        };
        container.text()
    }

    #[test]
    fn a_plain_container_has_its_own_groups_and_no_interface() {
        let text = text(None, false);
        for line in [
            "lxc.include = /usr/share/lxc/config/common.conf",
            "lxc.rootfs.path = overlay:/l:/u",
            "lxc.mount.entry = /run/a\\040b/agent.sock isotare/control/agent.sock none bind,create=file,ro,nosuid,nodev,noexec 0 0",
            "lxc.cgroup.dir.container = isotare/s/i",
            "lxc.cgroup.dir.monitor = isotare/s/i.monitor",
            "lxc.cgroup.dir.monitor.pivot = isotare/s",
            "lxc.cgroup.cpuset.cpus = 0",
            "lxc.cgroup2.memory.max = 9",
            "lxc.net.0.type = empty",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("idmap"));
    }

    #[test]
    fn a_link_and_a_user_namespace_are_configured() {
        let link = Link {
            name: "iso1".to_owned(),
            ends: [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
            ip: "/sbin/ip".into(),
            host: 1,
        };
        let text = text(Some((&link, Path::new("/run/up"))), true);
        for line in [
            "lxc.idmap = u 0 1000000 65536",
            "lxc.net.0.veth.pair = iso1",
            "lxc.net.0.ipv4.address = 10.0.0.2/30",
            "lxc.net.0.script.up = /sbin/ip -batch '/run/up' #",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("lxc.mount.entry"));
        assert_eq!(batch(&link), "addr add 10.0.0.1/30 dev iso1\nlink set iso1 up\n");
    }
}
