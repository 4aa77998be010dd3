//! A root file system laid out once, and a broker that serves all trials.

use super::client::Client;
use super::driver::RUNTIME;
use super::instance::ContainerInstance;
use super::veth;
use super::wire::{Group, Order};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    AGENT_PATH, CONTROL_DIR, DATA_DIR, DriverError, Environment, Image, Instance, PrepareContext, Source,
    TrialContext,
};
use isotare_host::lay_out;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The broker, shared by all instances of an environment.
pub(super) type SharedClient = Arc<Mutex<Client>>;

/// Prepared for trials.
pub(super) struct ContainerEnvironment {
    client: SharedClient,
    folders: Folders,
    ip: Option<PathBuf>,
    hierarchies: Result<Hierarchies, String>,
    rootless: bool,
}

/// What `prepare` made on disk; removed when dropped, after the broker (so keep the order of fields above).
struct Folders {
    lower: PathBuf,
    state: PathBuf,
    log: PathBuf,
}

/// Locks the broker. One whose user panicked in the middle of a question answers the next one all the same.
pub(super) fn lock(client: &SharedClient) -> MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ContainerEnvironment {
    /// Lays the image out and starts a broker. `ip` is set where each instance gets a link.
    pub(super) fn prepare(
        ip: Option<PathBuf>,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let rootless = !rustix::process::geteuid().is_root();
        let hierarchies = usable_cgroups();
        if let (false, Err(why)) = (rootless, &hierarchies) {
            return Err(DriverError::failed("prepare", "container", why));
        }
        let folders = Folders::make(image, cx.agent, cx.work)
            .map_err(|e| DriverError::failed("lay out image below", cx.work.display().to_string(), e))?;
        let client = Client::spawn(&folders.state, &folders.log, cx.ledger, &cx.deadline)?;
        Ok(Self { client: Arc::new(Mutex::new(client)), folders, ip, hierarchies, rootless })
    }

    /// Tells which broker serves, and what an instance is like.
    pub(super) fn order(&self, id: &str, cgroup: &str, layers: &Path, control: &Path) -> Order {
        let socket = format!("{CONTROL_DIR}/agent.sock");
        let args = [AGENT_PATH, "--socket", &socket, "--data", DATA_DIR].map(str::to_owned).to_vec();
        // Without root the runtime would be stopped by its cgroup namespace; there the session fills the group itself.
        let hierarchies = self.hierarchies.as_ref().ok().filter(|_| !self.rootless);
        let group = hierarchies.map(|hierarchies| Group {
            path: hierarchies.runtime_path(cgroup),
            cpus: String::new(),
            memory: 0,
        });
        Order {
            id: id.to_owned(),
            lower: self.folders.lower.clone(),
            layers: layers.to_owned(),
            args,
            bind: (control.to_owned(), CONTROL_DIR.into()),
            group,
            link: self.ip.clone().map(|ip| veth::plan(id, ip)),
        }
    }

    /// The broker.
    pub(super) fn client(&self) -> &SharedClient {
        &self.client
    }

    /// The hierarchies if groups with a budget can be made in them, else why not.
    pub(super) fn hierarchies(&self) -> Result<&Hierarchies, &str> {
        self.hierarchies.as_ref().map_err(String::as_str)
    }

    /// Whether it works without root.
    pub(super) fn is_rootless(&self) -> bool {
        self.rootless
    }
}

impl Environment for ContainerEnvironment {
    fn create(&mut self, cx: &TrialContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        if lock(&self.client).is_dead() {
            // The trial that it died in has failed; the next ones need not.
            let folders = &self.folders;
            let client = Client::spawn(&folders.state, &folders.log, cx.ledger, &cx.deadline)?;
            self.client = Arc::new(Mutex::new(client));
            (cx.mark)("broker.restarted");
        }
        let mut order = self.order(cx.instance, cx.cgroup, cx.work, cx.run);
        if let Some(group) = &mut order.group {
            (group.cpus, group.memory) = (cx.budget.cpus.to_string(), cx.budget.memory);
        }
        Ok(Box::new(ContainerInstance::create(order, self.hierarchies.as_ref().ok(), &self.client, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let devices = match (&self.hierarchies, self.rootless) {
            (_, true) => "none: rootless, so only the kernel's own permissions",
            (Ok(hierarchies), _) if hierarchies.version() != isotare_cgroup::Version::V2 => {
                "cgroup v1, Docker's default list"
            }
            _ => "none: on cgroup v2 it would need libbpf",
        };
        let facts = [
            (
                "budget.enforced",
                self.hierarchies().map_or_else(|why| format!("none: {why}"), |_| "cgroup".into()),
            ),
            ("container.runtime", RUNTIME.to_owned()),
            ("container.seccomp", "Docker's default profile".to_owned()),
            ("container.no_new_privs", "set (Docker leaves it unset)".to_owned()),
            ("container.devices", devices.to_owned()),
            ("container.rootless", self.rootless.to_string()),
            ("container.network", if self.ip.is_some() { "veth" } else { "loopback only" }.to_owned()),
            ("container.root", "overlay, writable layer on disk".to_owned()),
        ];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Folders {
    fn make(image: &Image, agent: &Path, work: &Path) -> std::io::Result<Self> {
        let folders =
            Self { lower: work.join("lower"), state: work.join("state"), log: work.join("broker.log") };
        fs::create_dir_all(&folders.lower)?;
        fs::create_dir_all(&folders.state)?;
        let mut image = image.clone();
        // Mount points that were missing would be made in each instance's writable layer, a trial at a time.
        for (path, mode) in [("/proc", 0o555), ("/sys", 0o555), ("/dev", 0o755), ("/tmp", 0o1777)] {
            image.add(Path::new(path), Source::Folder, mode);
        }
        for path in [CONTROL_DIR, DATA_DIR] {
            image.add(Path::new(path), Source::Folder, 0o755);
        }
        image.add(Path::new(AGENT_PATH), Source::Host(agent.to_owned()), 0o755);
        lay_out(&image, &folders.lower)?;
        Ok(folders)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in [&self.lower, &self.state] {
            // They are in the environment's work folder, which its owner removes as well.
            let _left = fs::remove_dir_all(folder);
        }
    }
}

fn usable_cgroups() -> Result<Hierarchies, String> {
    let hierarchies = Hierarchies::discover().map_err(|error| error.to_string())?;
    hierarchies.writable("isotare").map_err(|unavailable| unavailable.to_string())?;
    Ok(hierarchies)
}
