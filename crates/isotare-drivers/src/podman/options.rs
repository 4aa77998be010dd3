//! The settings as command lines.

use super::user::User;
use isotare_core::{
    AGENT_PATH, CONTROL_DIR, CONTROL_FOLDER, DATA_DIR, DriverError, IMAGE_SETTING, InstanceContext, Kind,
    SettingDef, Settings,
};
use isotare_host::find_program;
use rustix::process::{Resource, getrlimit};
use std::path::{Path, PathBuf};

pub(super) const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "runtime",
        kind: Kind::Text,
        default: None,
        help: "OCI runtime, such as crun, runc or runsc; default: Podman's default",
    },
    SettingDef {
        key: "storage",
        kind: Kind::Choice(&["overlay", "fuse-overlayfs", "vfs", "btrfs"]),
        default: Some("overlay"),
        help: "storage driver of Isotare's private store; for btrfs, a file system is created in a file",
    },
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "bridge", "host"]),
        default: Some("none"),
        help: "network of the container; bridge: a private network without a connection to other networks",
    },
    SettingDef {
        key: "user",
        kind: Kind::Text,
        default: None,
        help: "if isotare runs as root: run Podman rootless as this user; default: the user who runs isotare",
    },
    IMAGE_SETTING,
];

/// Name of the private bridge network.
pub(super) const NETWORK: &str = "isotare";

/// What was chosen.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) runtime: Option<String>,
    pub(super) storage: String,
    pub(super) network: String,
    /// The user to become.
    pub(super) user: Option<User>,
    /// Whether Podman runs without root.
    pub(super) rootless: bool,
    /// Whether Isotare creates a mount namespace for it. Without root it creates its own.
    pub(super) namespace: bool,
    /// The program of `storage=fuse-overlayfs`.
    pub(super) fuse: Option<PathBuf>,
}

impl Options {
    pub(super) fn new(settings: &Settings, user: Option<User>) -> Self {
        let text = |key, default: &str| settings.text(key).unwrap_or(default).to_owned();
        let root = rustix::process::geteuid().is_root();
        Self {
            runtime: settings.text("runtime").map(str::to_owned),
            storage: text("storage", "overlay"),
            network: text("network", "none"),
            user,
            rootless: user.is_some() || !root,
            namespace: root,
            fuse: find_program("fuse-overlayfs"),
        }
    }

    /// The options before every command: a private store, private state and private networks. The cgroup
    /// manager is `cgroupfs` everywhere, so that containers are next to the instances of other environments.
    pub(super) fn global(&self, folder: &Path, runroot: &Path) -> Vec<String> {
        let driver = if self.storage == "fuse-overlayfs" { "overlay" } else { &self.storage };
        let below = |name: &str| folder.join(name).display().to_string();
        let mut words: Vec<String> = Vec::new();
        let mut add = |key: &str, value: &str| words.extend([key.to_owned(), value.to_owned()]);
        add("--root", &below(if driver == "btrfs" { "btrfs/root" } else { "root" }));
        add("--runroot", &runroot.display().to_string());
        add("--tmpdir", &below("tmp"));
        add("--network-config-dir", &below("networks"));
        add("--storage-driver", driver);
        if let Some(program) = self.fuse.as_ref().filter(|_| self.storage == "fuse-overlayfs") {
            add("--storage-opt", &format!("overlay.mount_program={}", program.display()));
        }
        add("--cgroup-manager", "cgroupfs");
        add("--events-backend", "file");
        add("--log-level", "error");
        for flag in self.runtime_flags(&below("oci")) {
            add("--runtime-flag", &flag);
        }
        if let Some(runtime) = &self.runtime {
            add("--runtime", runtime);
        }
        words
    }

    /// Every runtime takes `--root`. gVisor hides the host's sockets, and sets a network of its own up in the
    /// container's, by default: `runsc flags`.
    fn runtime_flags(&self, root: &str) -> Vec<String> {
        let mut flags = vec![format!("root={root}")];
        let name = self.runtime.as_deref().and_then(|runtime| runtime.rsplit('/').next());
        if name == Some("runsc") {
            flags.push("host-uds=open".to_owned());
            if self.network != "bridge" {
                flags.push(format!("network={}", self.network));
            }
        }
        flags
    }

    /// `podman create …`. `folder` is the instance's run folder, as Podman sees it; `parent` its cgroup, if
    /// Podman is to make one there.
    pub(super) fn create(
        &self,
        image: &str,
        folder: &Path,
        parent: Option<&str>,
        cx: &InstanceContext<'_>,
    ) -> Result<Vec<String>, DriverError> {
        let folder = folder.to_str().ok_or_else(|| {
            DriverError::failed("mount", folder.display().to_string(), "the path is not UTF-8")
        })?;
        let network = if self.network == "bridge" { NETWORK } else { &self.network };
        let socket = format!("{CONTROL_DIR}/agent.sock");
        let mut words: Vec<String> = vec!["create".to_owned()];
        let mut add = |key: &str, value: String| words.extend([key.to_owned(), value]);
        add("--name", cx.instance.to_owned());
        add("--pull", "never".to_owned());
        add("--network", network.to_owned());
        add("--mount", format!("type=bind,source={folder}/{CONTROL_FOLDER},target={CONTROL_DIR},readonly"));
        add("--pidfile", format!("{folder}/init.pid"));
        add("--conmon-pidfile", format!("{folder}/conmon.pid"));
        // Process 1 of a container ignores SIGTERM unless it handles it.
        add("--stop-signal", "KILL".to_owned());
        // Podman's own choices, 1048576 and 32768 (containers.conf(5), `default_ulimits`), but not above the
        // hard limits, which a process without CAP_SYS_RESOURCE cannot raise. More than they are is refused
        // as well.
        for (name, resource, most) in
            [("nofile", Resource::Nofile, 1 << 20), ("nproc", Resource::Nproc, 1 << 15)]
        {
            let limit = getrlimit(resource).maximum.unwrap_or(most).min(most);
            add("--ulimit", format!("{name}={limit}:{limit}"));
        }
        match parent {
            Some(parent) => {
                add("--cgroup-parent", parent.to_owned());
                add("--cpuset-cpus", cx.budget.cpus.to_string());
                add("--memory", cx.budget.memory.to_string());
                // The sum of memory and swap: no swap.
                add("--memory-swap", cx.budget.memory.to_string());
                // Without it there would be a limit of Podman's own, 2048 (containers.conf(5), `pids_limit`);
                // -1: none.
                let processes =
                    cx.budget.processes.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
                add("--pids-limit", processes);
            }
            None => add("--cgroups", "disabled".to_owned()),
        }
        words.push(image.to_owned());
        words.extend([AGENT_PATH, "--socket", &socket, "--data", DATA_DIR].map(str::to_owned));
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        let settings = Settings::check("podman", SETTINGS, pairs.iter().copied());
        Options::new(&settings.expect("settings"), None)
    }

    #[test]
    fn a_store_is_private_and_of_the_chosen_kind() {
        let global = |storage| {
            let options = Options { fuse: Some("/f".into()), ..options(&[("storage", storage)]) };
            options.global(Path::new("/s"), Path::new("/r")).join(" ")
        };
        let words = global("fuse-overlayfs");
        assert!(words.starts_with("--root /s/root --runroot /r --tmpdir /s/tmp "), "{words}");
        assert!(words.contains("--storage-driver overlay --storage-opt overlay.mount_program=/f"), "{words}");
        assert!(global("btrfs").starts_with("--root /s/btrfs/root "));
    }

    #[test]
    fn gvisor_gets_flags_for_sockets_and_networks() {
        let runsc = options(&[("runtime", "/opt/runsc"), ("network", "host")]);
        assert_eq!(runsc.runtime_flags("/o"), ["root=/o", "host-uds=open", "network=host"]);
        assert_eq!(options(&[("runtime", "runc")]).runtime_flags("/o"), ["root=/o"]);
    }
}
