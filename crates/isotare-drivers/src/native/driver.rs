//! The driver: nothing to prepare but the knowledge of whether a cgroup can be had.

use super::instance::NativeInstance;
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Capabilities, Driver, DriverError, Environment, Image, Instance, PrepareContext, RuntimeInfo, SettingDef,
    Settings, TrialContext, Unavailable,
};
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
        "the host itself, in a cgroup with the same budget as the others"
    }

    fn settings(&self) -> &'static [SettingDef] {
        &[]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { own_kernel: false, host_files: true, rootless: true }
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

/// The hierarchies if groups with a budget can be made in them, else why not.
fn usable_cgroups() -> Result<Hierarchies, String> {
    let hierarchies = Hierarchies::discover().map_err(|error| error.to_string())?;
    hierarchies.writable("isotare").map_err(|unavailable| unavailable.to_string())?;
    Ok(hierarchies)
}

impl Environment for NativeEnvironment {
    fn create(&mut self, cx: &TrialContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let hierarchies = self.hierarchies.as_ref().ok();
        Ok(Box::new(NativeInstance::create(&self.agent, hierarchies, cx)?))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let limited = match &self.hierarchies {
            Ok(_) => "cgroup".to_owned(),
            Err(why) => format!("none: {why}"),
        };
        BTreeMap::from([("budget.enforced".to_owned(), limited)])
    }
}
