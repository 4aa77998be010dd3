//! A private store of images and containers, and calls of `podman` on it.

use super::options::{NETWORK, Options};
use super::place::{BTRFS, Place, Runroot};
use super::user;
use crate::bridge_net::BridgeNet;
use crate::installed::program;
use crate::loop_mount::LoopMount;
use crate::spawned::usable_cgroups;
use isotare_core::{Deadline, DriverError, Interrupt, PrepareContext, Resource, Settings, Unavailable};
use isotare_host::{MountNamespace, Spawn, deadline_in, find_program, identify, sweep};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time for taking a store apart.
const REMOVAL: Duration = Duration::from_secs(20);

/// A store in the environment's folder. Dropping it ends what serves it; the files go with the folder.
pub(super) struct Store {
    pub(super) options: Options,
    pub(super) place: Place,
    program: PathBuf,
    words: Vec<String>,
    /// The cgroup for the processes that a rootless Podman starts for itself, if a cgroup can be created.
    group: Option<String>,
    joining: Vec<PathBuf>,
    // Dropped in this order: the file system is in use while the namespace is there.
    namespace: Option<MountNamespace>,
    _btrfs: Option<LoopMount>,
    _bridge: Option<BridgeNet>,
    _runroot: Runroot,
}

impl Store {
    /// Makes an empty store.
    pub(super) fn open(settings: &Settings, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        let program = program("podman", "Debian: podman")?;
        let user = settings.text("user").map(|name| user::find(name, &cx.deadline)).transpose()?;
        let options = Options::new(settings, user);
        check(&options)?;
        let place = Place::of_store(&options, cx)?;
        let btrfs = (options.storage == "btrfs")
            .then(|| LoopMount::btrfs(&place.host.join(BTRFS), cx))
            .transpose()?;
        let bridge =
            (options.network == "bridge").then(|| BridgeNet::plan(cx.work, cx.ledger)).transpose()?;
        if let Some(bridge) = &bridge {
            let path = place.host.join(format!("networks/{NETWORK}.json"));
            fs::write(&path, network(bridge).to_string())
                .map_err(|error| DriverError::failed("write", path.display().to_string(), error))?;
        }
        let runroot = Runroot::new(&place, cx)?;
        let words = options.global(&place.seen, runroot.path());
        let namespace = options.namespace.then(|| place.namespace()).transpose()?;
        let (group, joining) = if options.rootless { own_group(cx)? } else { Default::default() };
        Ok(Self {
            group,
            joining,
            options,
            place,
            program,
            words,
            namespace,
            _btrfs: btrfs,
            _bridge: bridge,
            _runroot: runroot,
        })
    }

    /// `podman` with these arguments, to be started. What it says on stderr is added to `log`.
    pub(super) fn command(&self, arguments: &[String], log: &Path) -> Result<Spawn, DriverError> {
        let mut spawn = Spawn::new(&self.program)
            .args(&self.words)
            .args(arguments)
            .env("HOME", self.place.seen.join("home"))
            .in_cgroups(self.joining.clone())
            .errors_to(log);
        if self.options.rootless {
            spawn = spawn.env("XDG_RUNTIME_DIR", self.place.seen.join("run"));
        }
        if let Some(user) = self.options.user {
            spawn = spawn.as_user(user.id, user.group);
        }
        match &self.namespace {
            Some(namespace) => spawn
                .in_mount_namespace(namespace)
                .map_err(|error| DriverError::failed("enter mount namespace of", self.name(), error)),
            None => Ok(spawn),
        }
    }

    /// Runs such a command to its end.
    pub(super) fn run(
        &self,
        spawn: &Spawn,
        operation: &'static str,
        subject: &str,
        log: &Path,
        deadline: &Deadline,
    ) -> Result<(), DriverError> {
        let said_before = fs::metadata(log).map_or(0, |meta| meta.len());
        let mut child = spawn.start().map_err(|error| DriverError::failed(operation, subject, error))?;
        let status = child.wait(deadline).map_err(|error| error.during(operation, subject))?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read(log).unwrap_or_default();
        let said = said.get(usize::try_from(said_before).unwrap_or(0)..).unwrap_or_default();
        let said = String::from_utf8_lossy(said);
        Err(DriverError::failed(operation, subject, format!("podman: {status}: {}", said.trim())))
    }

    /// The output of a command on stdout. Its files are next to the store, which may belong to another user.
    pub(super) fn answer(&self, arguments: &[&str], deadline: &Deadline) -> Result<String, DriverError> {
        let [answer, log] = ["answer", "log"].map(|name| self.place.host.with_file_name(name));
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let subject = arguments.join(" ");
        let spawn = self.command(&arguments, &log)?.output_to(&answer).errors_to(&log);
        let ended = self.run(&spawn, "run podman", &subject, &log, deadline);
        let said = fs::read_to_string(&answer);
        fs::remove_file(&answer).ok();
        ended?;
        said.map_err(|error| DriverError::failed("read answer to podman", subject, error))
    }

    /// Records what a rootless Podman keeps running to hold its namespaces: `podman-system-migrate(1)`.
    pub(super) fn record_holder(&self, cx: &PrepareContext<'_>) -> Result<(), DriverError> {
        match self.holder() {
            Some(process) => cx
                .ledger
                .record(&process)
                .map_err(|error| DriverError::failed("record process of", self.name(), error)),
            None => Ok(()),
        }
    }

    fn holder(&self) -> Option<Resource> {
        let pid = user::own_pid(&self.place.host.join("tmp/pause.pid"), self.options.user)?;
        identify(pid).map(Resource::Process)
    }

    /// Its name in errors.
    pub(super) fn name(&self) -> String {
        self.place.host.display().to_string()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(holder) = self.holder() {
            // What cannot be ended now is in the ledger.
            let _recorded = sweep(&holder, &deadline_in(REMOVAL, &Interrupt::default()));
        }
        if let Some(path) = self.group.take() {
            let _recorded = sweep(&Resource::Cgroup { path }, &deadline_in(REMOVAL, &Interrupt::default()));
        }
    }
}

/// A cgroup for what a rootless Podman starts: it starts itself again in a user namespace and leaves a
/// process that holds the namespace. These processes do not end with the one that called Podman.
fn own_group(cx: &PrepareContext<'_>) -> Result<(Option<String>, Vec<PathBuf>), DriverError> {
    let Ok(hierarchies) = usable_cgroups() else { return Ok((None, Vec::new())) };
    // The environment's folder has a name of its own in the session.
    let name = cx.work.file_name().unwrap_or_default().to_string_lossy();
    let path = format!("isotare/{}/podman-{name}", cx.session);
    cx.ledger
        .record(&Resource::Cgroup { path: path.clone() })
        .map_err(|error| DriverError::failed("record cgroup", &path, error))?;
    let made = hierarchies
        .create(&path, None)
        .map_err(|error| DriverError::failed("create cgroup", &path, error))?;
    Ok((Some(path), made.joining_files()))
}

/// Checks that Podman does not offer, or reports too late.
fn check(options: &Options) -> Result<(), Unavailable> {
    let root = rustix::process::geteuid().is_root();
    if options.user.is_some() && !root {
        return Err(Unavailable::new("only root can become another user", "remove user="));
    }
    if options.rootless && options.network == "bridge" {
        return Err(Unavailable::new(
            "a rootless bridge is in the user's network namespace, where the host cannot reach it",
            "use network=none or network=host, or run Podman as root",
        ));
    }
    match options.storage.as_str() {
        "btrfs" if options.rootless => Err(Unavailable::new(
            "storage=btrfs needs root to create its file system",
            "use storage=overlay, or run Podman as root",
        )),
        "btrfs" => LoopMount::btrfs_usable(),
        "fuse-overlayfs" if !Path::new("/dev/fuse").exists() => {
            Err(Unavailable::new("there is no /dev/fuse", "load the kernel module 'fuse'"))
        }
        "fuse-overlayfs" => program("fuse-overlayfs", "Debian: fuse-overlayfs").map(drop),
        _ => Ok(()),
    }?;
    match options.network == "bridge" && !netavark() {
        true => Err(Unavailable::new(
            "network=bridge needs netavark, which Podman uses to set up networks",
            "install it (Debian: netavark)",
        )),
        false => Ok(()),
    }
}

/// Podman looks for its helpers outside of `PATH`: `helper_binaries_dir` in containers.conf(5).
fn netavark() -> bool {
    let folders =
        ["/usr/local/libexec/podman", "/usr/local/lib/podman", "/usr/libexec/podman", "/usr/lib/podman"];
    folders.iter().any(|folder| Path::new(folder).join("netavark").exists())
        || find_program("netavark").is_some()
}

/// A network's description as Podman keeps it. It is an internal one: netavark then leaves the host's
/// firewall alone.
fn network(bridge: &BridgeNet) -> serde_json::Value {
    serde_json::json!({
        "name": NETWORK,
        "id": format!("{:0>64}", bridge.link.trim_start_matches("isob")),
        "driver": "bridge",
        "network_interface": bridge.link,
        "created": "2020-01-01T00:00:00Z",
        "subnets": [{ "subnet": bridge.subnet(), "gateway": bridge.gateway() }],
        "ipv6_enabled": false,
        "internal": true,
        "dns_enabled": false,
        "ipam_options": { "driver": "host-local" },
    })
}
