//! `native` under a CPU quota.

use isotare_cgroup::Hierarchies;
use isotare_core::{
    Capabilities, Driver, DriverError, Environment, Image, Instance, InstanceContext, Isolation, Kind,
    PrepareContext, RuntimeInfo, SettingDef, Settings, Unavailable, with_sources,
};
use isotare_drivers::Native;
use std::collections::BTreeMap;
use std::time::Duration;

/// Length of one period of the quota. The kernel enforces quotas at ticks (1 to 10 ms apart) and takes what
/// was too much off the next periods, so that a window of whole periods gets its share but for one tick at
/// each end.
pub const PERIOD: Duration = Duration::from_millis(200);

/// Plain processes of the host whose cgroup may use a part of one CPU.
#[derive(Debug)]
pub struct Quota;

/// Part of one CPU, per cent.
const PERCENT: SettingDef = SettingDef {
    key: "percent",
    kind: Kind::Integer { min: 1, max: 99 },
    default: Some("50"),
    help: "quota, in per cent of one CPU",
};

struct QuotaEnvironment {
    native: Box<dyn Environment>,
    hierarchies: Hierarchies,
    quota: Duration,
}

fn hierarchies() -> Result<Hierarchies, Unavailable> {
    let found = Hierarchies::discover().map_err(|error| {
        Unavailable::new(format!("a CPU quota needs cgroups: {}", with_sources(&error)), "mount them")
    })?;
    found.writable("isotare").map(|()| found)
}

impl Driver for Quota {
    fn name(&self) -> &'static str {
        "cpu-quota"
    }

    fn summary(&self) -> &'static str {
        "the host itself, with a CPU quota"
    }

    fn settings(&self) -> &'static [SettingDef] {
        &[PERCENT]
    }

    fn capabilities(&self) -> Capabilities {
        Native.capabilities()
    }

    fn isolation(&self) -> Isolation {
        Native.isolation()
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        hierarchies()?;
        Native.probe(settings, cx)
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        let percent = u32::try_from(settings.integer("percent").unwrap_or(50)).unwrap_or(50);
        Ok(Box::new(QuotaEnvironment {
            native: Native.prepare(settings, image, cx)?,
            hierarchies: hierarchies()?,
            quota: PERIOD * percent / 100,
        }))
    }
}

impl Environment for QuotaEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let instance = self.native.create(cx)?;
        let group = self.hierarchies.open(cx.cgroup);
        group
            .throttle(self.quota, PERIOD)
            .map_err(|error| DriverError::failed("limit CPU time of", cx.instance, error))?;
        Ok(instance)
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.native.facts()
    }
}
