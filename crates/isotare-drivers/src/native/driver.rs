//! The driver. It only has to find out whether a cgroup can be created.

use crate::spawned::{Spawned, budget_fact, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Attaching, Capabilities, Driver, DriverError, Environment, Image, Instance, InstanceContext, Isolation,
    PrepareContext, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use isotare_host::Spawn;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Plain processes of the host.
#[derive(Debug)]
pub struct Native;

struct NativeEnvironment {
    agent: PathBuf,
    hierarchies: Result<Hierarchies, String>,
}

impl Driver for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn summary(&self) -> &'static str {
        "the host itself, in a cgroup with the same budget as the other environments"
    }

    fn settings(&self) -> &'static [SettingDef] {
        &[]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: true,
            rootless: true,
            pause: false,
            segment: Attaching::Host,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "all",
            root: "the host's root",
            sources: &["cgroups(7)"],
        }
    }

    fn probe(&self, _: &Settings, _: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Ok(RuntimeInfo { version: format!("Linux {release}"), details: BTreeMap::new() })
    }

    fn prepare(
        &self,
        _: &Settings,
        _: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(NativeEnvironment { agent: cx.agent.to_owned(), hierarchies: usable_cgroups() }))
    }
}

impl Environment for NativeEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let data = cx.work.join("data");
        std::fs::create_dir(&data).map_err(|e| DriverError::failed("make", data.display().to_string(), e))?;
        let spawn = Spawn::new(&self.agent).arg("--socket").arg(cx.control_socket()).arg("--data").arg(data);
        Ok(Box::new(Spawned::create(spawn, None, self.hierarchies.as_ref().ok(), cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([budget_fact(&self.hierarchies)])
    }
}
