//! The driver: an overlay for each instance, and `systemd-nspawn` in it.

use crate::installed::{program, root_only, version};
use crate::root::{MountedRoot, SOCKET, Tree, socket_inside};
use crate::spawned::{Spawned, budget_fact, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    AGENT_PATH, Attaching, Base, CONTROL_DIR, Capabilities, DATA_DIR, Driver, DriverError, Environment,
    IMAGE_SETTING, Image, Instance, InstanceContext, Isolation, Kind, PrepareContext, Resource, RuntimeInfo,
    SettingDef, Settings, Source, Unavailable,
};
use isotare_host::Spawn;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PACKAGE: &str = "Debian: systemd-container";
/// What systemd-nspawn removes at its end, unless it is killed: the folder through which mounts reach a
/// running container, and a lock on the tree (`image_path_lock` in src/shared/discover-image.c).
const STATE: &str = "/run/systemd/nspawn";

/// Containers of systemd-nspawn.
#[derive(Debug)]
pub struct Nspawn;

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "network",
        kind: Kind::Choice(&["none", "host"]),
        default: Some("none"),
        help: "none: --private-network, only a loopback link; host: the host's network",
    },
];

struct NspawnEnvironment {
    nspawn: PathBuf,
    tree: Tree,
    host_network: bool,
    hierarchies: Result<Hierarchies, String>,
}

impl Driver for Nspawn {
    fn name(&self) -> &'static str {
        "nspawn"
    }

    fn summary(&self) -> &'static str {
        "a container of systemd-nspawn, not registered with a daemon"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: false,
            rootless: false,
            pause: false,
            segment: Attaching::WhenReady,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "those of systemd-nspawn's own filter",
            root: "the host's root with systemd-nspawn's capabilities",
            sources: &["systemd-nspawn(1), --system-call-filter= and --capability="],
        }
    }

    fn probe(&self, _: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        root_only("systemd-nspawn")?;
        let nspawn = program("systemd-nspawn", PACKAGE)?;
        let version = version(&nspawn, &["--version"], &cx.deadline)?;
        Ok(RuntimeInfo { version, details: BTreeMap::new() })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(NspawnEnvironment {
            nspawn: program("systemd-nspawn", PACKAGE)?,
            tree: Tree::lay_out(&system(image), cx)?,
            host_network: settings.text("network") == Some("host"),
            hierarchies: usable_cgroups(),
        }))
    }
}

/// The image with what systemd-nspawn wants to see of an operating system before it starts anything: `/usr`,
/// and an os-release file (`verify_arguments` and `setup_os_tree` in src/nspawn/nspawn.c; os-release(5)).
fn system(image: &Image) -> Image {
    let mut image = image.clone();
    let has = |path: &str| matches!(&image.base, Base::Tree(tree) if tree.join(path).exists());
    let named = has("etc/os-release") || has("usr/lib/os-release");
    image.add(Path::new("/usr"), Source::Folder, 0o755);
    if !named {
        let text = Arc::from(*b"ID=isotare\nNAME=Isotare\n");
        image.add(Path::new("/etc/os-release"), Source::Bytes(text), 0o644);
    }
    image
}

/// The command line. `--as-pid2`: the agent is no init of a system, so systemd-nspawn's stub reaps and
/// forwards signals. What follows switches off what would change the tree to fit the host
/// (systemd-nspawn(1)).
fn arguments(root: &Path, control: &Path, machine: &str, host_network: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["--quiet", "--register=no", "--keep-unit", "--as-pid2", "--pipe"]
        .into_iter()
        .chain(["--resolv-conf=off", "--timezone=off", "--link-journal=no"])
        .map(OsString::from)
        .collect();
    if !host_network {
        arguments.push("--private-network".into());
    }
    arguments.push(format!("--machine={machine}").into());
    let mut directory = OsString::from("--directory=");
    directory.push(root);
    let mut bind = OsString::from("--bind-ro=");
    bind.push(control.join(SOCKET));
    bind.push(format!(":{}", socket_inside().display()));
    arguments.extend([directory, bind]);
    let socket = format!("{CONTROL_DIR}/agent.sock");
    arguments.extend(["--", AGENT_PATH, "--socket", &socket, "--data", DATA_DIR].map(OsString::from));
    arguments
}

impl Environment for NspawnEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let root = MountedRoot::mount(&self.tree, cx)?;
        let machine = cx.instance;
        let tree =
            std::fs::metadata(root.path()).map_err(|e| DriverError::failed("look at root of", machine, e))?;
        let spawn =
            Spawn::new(&self.nspawn).args(arguments(root.path(), &cx.control(), machine, self.host_network));
        let spawned = Spawned::create(spawn, Some(root), self.hierarchies.as_ref().ok(), cx)?;
        let state = |name: String| Resource::Path { path: Path::new(STATE).join(name) };
        let spawned = spawned.leaving(state(format!("propagate/{machine}")), cx)?;
        Ok(Box::new(spawned.leaving(state(format!("locks/inode-{}:{}", tree.dev(), tree.ino())), cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let network = if self.host_network { "the host's" } else { "loopback only" };
        BTreeMap::from([("nspawn.network".to_owned(), network.to_owned()), budget_fact(&self.hierarchies)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_the_tree_the_machine_and_the_agent() {
        let line = |host_network| {
            let words = arguments(Path::new("/w/root"), Path::new("/run/i"), "s-1", host_network);
            words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        let end = "--machine=s-1 --directory=/w/root --bind-ro=/run/i/agent.sock:/isotare/control/agent.sock -- /isotare/agent --socket \
                   /isotare/control/agent.sock --data /isotare/data";
        let start = "--quiet --register=no --keep-unit --as-pid2 --pipe --resolv-conf=off --timezone=off \
                     --link-journal=no";
        assert_eq!(line(false), format!("{start} --private-network {end}"));
        assert_eq!(line(true), format!("{start} {end}"));
    }

    #[test]
    fn files_of_a_system_are_added_only_if_they_are_missing() {
        let names = |base| {
            let image = system(&Image { base, files: Vec::new() });
            image.files.iter().any(|file| file.path == Path::new("/etc/os-release"))
        };
        assert!(names(Base::Empty));
        let tree = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(tree.path().join("usr/lib")).expect("made");
        std::fs::write(tree.path().join("usr/lib/os-release"), "ID=debian\n").expect("written");
        assert!(!names(Base::Tree(tree.path().to_owned())));
    }
}
