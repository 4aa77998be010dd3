//! A root file system laid out once, and a broker that serves all trials.

use super::client::Client;
use super::driver::RUNTIME;
use super::instance::ContainerInstance;
use super::veth;
use super::wire::{Order, RootKind, Terms};
use crate::oci::{self, Group};
use crate::root::Tree;
use crate::spawned::{budget_fact, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Budget, CONTROL_DIR, Cause, DriverError, Environment, Image, Instance, InstanceContext, PrepareContext,
    Resource,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The broker, shared by all instances of an environment.
pub(super) type SharedClient = Arc<Mutex<Client>>;

/// Prepared for trials.
pub(super) struct ContainerEnvironment {
    /// The broker; another one, if it died.
    client: Mutex<SharedClient>,
    log: PathBuf,
    terms: Terms,
    _state: StateFolder,
    tree: Tree,
    root: RootKind,
    ip: Option<PathBuf>,
    hierarchies: Result<Hierarchies, String>,
    reused: Option<ReusedGroup>,
}

/// What the settings choose.
pub(super) struct Choice {
    pub root: RootKind,
    pub network: Network,
    /// Whether one cgroup serves all instances in turn.
    pub reuse_group: bool,
    /// Whether the containers are in a user namespace.
    pub own_user: bool,
}

/// What containers see of a network.
pub(super) enum Network {
    /// A namespace with loopback.
    None,
    /// The host's.
    Host,
    /// A namespace with one end of a pair, made by this program `ip`.
    Veth(PathBuf),
}

/// A cgroup that was made once. Dropping it removes it.
struct ReusedGroup {
    hierarchies: Hierarchies,
    path: String,
}

impl ReusedGroup {
    fn make(hierarchies: &Hierarchies, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("isotare/{}/reused{number}", cx.session);
        let failed = |what, error: Cause| DriverError::failed(what, path.as_str(), error);
        cx.ledger
            .record(&Resource::Cgroup { path: path.clone() })
            .map_err(|e| failed("record cgroup", e.into()))?;
        hierarchies.create(&path, Some(cx.budget)).map_err(|e| failed("create cgroup", e.into()))?;
        Ok(Self { hierarchies: hierarchies.clone(), path })
    }
}

impl Drop for ReusedGroup {
    fn drop(&mut self) {
        // It is in the record of resources.
        let _left = self.hierarchies.remove_tree(&self.path);
    }
}

/// The broker's folder; removed when dropped, after the broker (so keep the order of fields above).
struct StateFolder(PathBuf);

/// Locks the broker. If a thread panicked during a request, the broker still answers the next one.
pub(super) fn lock(client: &SharedClient) -> MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ContainerEnvironment {
    /// Lays the image out and starts a broker.
    pub(super) fn prepare(
        choice: Choice,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Self, DriverError> {
        let hierarchies = usable_cgroups();
        if let (true, Err(why)) = (rustix::process::geteuid().is_root(), &hierarchies) {
            return Err(DriverError::failed("prepare", "container", why.as_str()));
        }
        let tree = Tree::lay_out(image, cx)?;
        let tree = if choice.root == RootKind::Overlay { tree } else { tree.flat(cx)? };
        let reused = match (&hierarchies, choice.reuse_group) {
            (Ok(hierarchies), true) => Some(ReusedGroup::make(hierarchies, cx)?),
            _ => None,
        };
        let (state, log) = (cx.work.join("state"), cx.work.join("broker.log"));
        fs::create_dir_all(&state)
            .map_err(|e| DriverError::failed("make", state.display().to_string(), e))?;
        let host_network = matches!(choice.network, Network::Host);
        let terms = Terms { state: state.clone(), own_user: choice.own_user, host_network };
        let client = Client::spawn(&terms, &log, cx.ledger, &cx.deadline)?;
        let ip = if let Network::Veth(ip) = choice.network { Some(ip) } else { None };
        let client = Arc::new(Mutex::new(client));
        Ok(Self {
            client: Mutex::new(client),
            log,
            terms,
            _state: StateFolder(state),
            tree,
            root: choice.root,
            ip,
            hierarchies,
            reused,
        })
    }

    /// What an instance is like. `group` is the path of its cgroup with its budget.
    pub(super) fn order(&self, id: &str, group: (&str, &Budget), layers: &Path, control: &Path) -> Order {
        // In a user namespace, the cgroup namespace would stop the runtime; there the session puts the
        // process into the group.
        let hierarchies = self.hierarchies.as_ref().ok().filter(|_| !self.terms.own_user);
        let (path, budget) = group;
        let group = hierarchies.map(|hierarchies| Group::new(hierarchies, path, budget));
        Order {
            id: id.to_owned(),
            root: self.root,
            lowers: self.tree.lowers.clone(),
            layers: layers.to_owned(),
            args: oci::agent_command(),
            bind: (control.to_owned(), CONTROL_DIR.into()),
            group,
            keep_group: self.reused.is_some(),
            link: self.ip.clone().map(|ip| veth::plan(id, ip)),
        }
    }

    /// The broker.
    pub(super) fn client(&self) -> SharedClient {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The hierarchies if groups with a budget can be created in them, otherwise the reason why not.
    pub(super) fn hierarchies(&self) -> Result<&Hierarchies, &str> {
        self.hierarchies.as_ref().map_err(String::as_str)
    }

    /// Path of the cgroup that serves all instances, if one does.
    pub(super) fn reused_group(&self) -> Option<&str> {
        self.reused.as_ref().map(|group| group.path.as_str())
    }
}

impl Environment for ContainerEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let mut client = self.client();
        if lock(&client).is_dead() {
            // The trial in which it died has failed; the next trials need not fail.
            let new = Client::spawn(&self.terms, &self.log, cx.ledger, &cx.deadline)?;
            client = Arc::new(Mutex::new(new));
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&client);
            (cx.mark)("broker.restarted");
        }
        let cgroup = self.reused_group().unwrap_or(cx.cgroup);
        let order = self.order(cx.instance, (cgroup, cx.budget), cx.work, &cx.control());
        Ok(Box::new(ContainerInstance::create(order, (self.hierarchies.as_ref().ok(), cgroup), &client, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let devices = match (&self.hierarchies, self.terms.own_user) {
            (_, true) => "none, because it is in a user namespace: only the kernel's own permissions",
            (Ok(hierarchies), _) if hierarchies.version() != isotare_cgroup::Version::V2 => {
                "cgroup v1, Docker's default list"
            }
            _ => "none, because on cgroup v2 it would need libbpf",
        };
        let network = match (&self.ip, self.terms.host_network) {
            (Some(_), _) => "veth",
            (None, true) => "the host's",
            (None, false) => "loopback only",
        };
        let root = match self.root {
            RootKind::Overlay => "overlay, writable layer on disk",
            RootKind::Bind => "read-only bind mount, copies of data and /tmp on disk",
            RootKind::Copy => "full copy on disk",
        };
        let rootless = !rustix::process::geteuid().is_root();
        let facts = [
            ("container.runtime", RUNTIME),
            ("container.seccomp", "Docker's default profile"),
            ("container.no_new_privs", "set (Docker leaves it unset)"),
            ("container.devices", devices),
            ("container.rootless", if rootless { "true" } else { "false" }),
            ("container.user", if self.terms.own_user { "its own user namespace" } else { "the host's" }),
            ("container.cgroup", if self.reused.is_some() { "reused" } else { "new" }),
            ("container.network", network),
            ("container.root", root),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
        facts.into_iter().chain([budget_fact(&self.hierarchies)]).collect()
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        // It is in the environment's work folder, which its owner removes as well.
        let _left = fs::remove_dir_all(&self.0);
    }
}
