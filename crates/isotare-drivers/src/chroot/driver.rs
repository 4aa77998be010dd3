//! The driver: an overlay for each instance, and the program `chroot` in it.

use crate::installed::{program, root_only, version};
use crate::root::{MountedRoot, Tree};
use crate::spawned::{Spawned, budget_fact, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    AGENT_PATH, Attaching, CONTROL_DIR, Capabilities, DATA_DIR, Driver, DriverError, Environment,
    IMAGE_SETTING, Image, Instance, InstanceContext, Isolation, PrepareContext, RuntimeInfo, SettingDef,
    Settings, Unavailable,
};
use isotare_host::Spawn;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Processes with their own root directory.
#[derive(Debug)]
pub struct Chroot;

struct ChrootEnvironment {
    chroot: PathBuf,
    tree: Tree,
    hierarchies: Result<Hierarchies, String>,
}

impl Driver for Chroot {
    fn name(&self) -> &'static str {
        "chroot"
    }

    fn summary(&self) -> &'static str {
        "a process with another root directory (an overlay); everything else is the host's"
    }

    fn settings(&self) -> &'static [SettingDef] {
        &[IMAGE_SETTING]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: false,
            rootless: false,
            pause: false,
            segment: Attaching::Host,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "all",
            root: "the host's root, who can leave the directory",
            sources: &["chroot(2)"],
        }
    }

    fn probe(&self, _: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        root_only("chroot")?;
        let chroot = program("chroot", "Debian: coreutils")?;
        let version = version(&chroot, &["--version"], &cx.deadline)?;
        Ok(RuntimeInfo { version, details: BTreeMap::new() })
    }

    fn prepare(
        &self,
        _: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(ChrootEnvironment {
            chroot: program("chroot", "Debian: coreutils")?,
            tree: Tree::lay_out(image, cx)?,
            hierarchies: usable_cgroups(),
        }))
    }
}

impl Environment for ChrootEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let root = MountedRoot::mount(&self.tree, cx)?;
        root.pseudo("proc")?;
        root.devices()?;
        let socket = format!("{CONTROL_DIR}/agent.sock");
        let spawn = Spawn::new(&self.chroot)
            .arg(root.path())
            .args([AGENT_PATH, "--socket", &socket, "--data", DATA_DIR]);
        Ok(Box::new(
            Spawned::create(spawn, Some(root), self.hierarchies.as_ref().ok(), cx)?.showing_socket(cx)?,
        ))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([budget_fact(&self.hierarchies)])
    }
}
