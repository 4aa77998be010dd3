//! The driver: a root for each instance, and `bwrap` around the agent.

use super::command::{Root, arguments};
use crate::installed::{program, version};
use crate::root::{MountedRoot, Tree};
use crate::spawned::{Spawned, budget_fact, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Attaching, Capabilities, Driver, DriverError, Environment, IMAGE_SETTING, Image, Instance,
    InstanceContext, Isolation, Kind, PrepareContext, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use isotare_host::{Spawn, output_of};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const PACKAGE: &str = "Debian: bubblewrap";

/// Sandboxes of bubblewrap.
#[derive(Debug)]
pub struct Bubblewrap;

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "host"]),
        default: Some("none"),
        help: "none: a new network namespace with only a loopback link; host: the host's network",
    },
    SettingDef {
        key: "root",
        kind: Kind::Choice(&["overlay", "bind"]),
        default: None,
        help: "root file system: overlay (needs root, and is the default for root), or bind (read-only, \
               except for the data folder and /tmp)",
    },
];

/// The base of a sandbox's root.
enum Base {
    Overlay(Tree),
    Bind(PathBuf),
}

struct BubblewrapEnvironment {
    bwrap: PathBuf,
    base: Base,
    host_network: bool,
    hierarchies: Result<Hierarchies, String>,
}

impl Driver for Bubblewrap {
    fn name(&self) -> &'static str {
        "bubblewrap"
    }

    fn summary(&self) -> &'static str {
        "a sandbox of bwrap, the program that Flatpak uses, with all namespaces; works without root"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: false,
            rootless: true,
            pause: false,
            segment: Attaching::WhenReady,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "all (bubblewrap has no filter by default)",
            root: "root of a user namespace if root starts it, otherwise the user; without capabilities",
            sources: &["bwrap(1)", "https://github.com/containers/bubblewrap"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let bwrap = program("bwrap", PACKAGE)?;
        let version = version(&bwrap, &["--version"], &cx.deadline)?;
        let kind = root_kind(settings)?;
        try_one(&bwrap, cx)?;
        Ok(RuntimeInfo { version, details: BTreeMap::from([("root".to_owned(), kind.to_owned())]) })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        let tree = Tree::lay_out(image, cx)?;
        let base = match (root_kind(settings)?, tree.lowers.as_slice()) {
            ("overlay", _) => Base::Overlay(tree),
            (_, [only]) => Base::Bind(only.clone()),
            _ => return Err(DriverError::Unsupported("root=bind cannot use an image in layers".to_owned())),
        };
        Ok(Box::new(BubblewrapEnvironment {
            bwrap: program("bwrap", PACKAGE)?,
            base,
            host_network: settings.text("network") == Some("host"),
            hierarchies: usable_cgroups(),
        }))
    }
}

/// An ordinary user may not mount an overlay outside the sandbox, and Debian 12's bubblewrap cannot make one
/// inside.
fn root_kind(settings: &Settings) -> Result<&'static str, Unavailable> {
    let root = rustix::process::geteuid().is_root();
    match settings.text("root") {
        Some("overlay") if !root => {
            Err(Unavailable::new("root=overlay needs root", "run isotare as root, or use root=bind"))
        }
        Some("bind") => Ok("bind"),
        _ if root => Ok("overlay"),
        _ => Ok("bind"),
    }
}

/// Starts the agent as a trial would. The agent then only prints an error about its arguments.
fn try_one(bwrap: &std::path::Path, cx: &PrepareContext<'_>) -> Result<(), Unavailable> {
    let agent = cx.agent.to_string_lossy();
    let arguments =
        ["--unshare-all", "--die-with-parent", "--tmpfs", "/", "--ro-bind", &agent, "/a", "--", "/a"];
    let remedy =
        "allow namespaces: run isotare on the host itself, and see docs/drivers/container.md for the sysctls";
    let output = output_of(bwrap, &arguments, &cx.deadline)
        .map_err(|error| Unavailable::new(format!("bwrap: {error}"), remedy))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match said.lines().find(|line| line.starts_with("bwrap: ")) {
        Some(line) => Err(Unavailable::new(line.to_owned(), remedy)),
        None => Ok(()),
    }
}

impl Environment for BubblewrapEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let data = cx.work.join("data");
        let wrap = |shown| Spawn::new(&self.bwrap).args(arguments(shown, &cx.control(), self.host_network));
        let (spawn, root) = match &self.base {
            Base::Overlay(tree) => {
                let root = MountedRoot::mount(tree, cx)?;
                (wrap(Root::Own(root.path())), Some(root))
            }
            Base::Bind(tree) => {
                fs::create_dir(&data)
                    .map_err(|e| DriverError::failed("make", data.display().to_string(), e))?;
                (wrap(Root::Shared(tree, &data)), None)
            }
        };
        Ok(Box::new(Spawned::create(spawn, root, self.hierarchies.as_ref().ok(), cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let root = match self.base {
            Base::Overlay(_) => "overlay, writable layer on disk",
            Base::Bind(_) => "read-only bind mount, data on disk, /tmp in memory",
        };
        let network = if self.host_network { "the host's" } else { "loopback only" };
        let facts = [("bubblewrap.root", root), ("bubblewrap.network", network)];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
        facts.into_iter().chain([budget_fact(&self.hierarchies)]).collect()
    }
}
