//! The driver: its settings, and its requirements.

use super::client::Client;
use super::daemon::Daemon;
use super::environment::IncusEnvironment;
use super::removal::{pool, release};
use isotare_core::{
    Attaching, Capabilities, Deadline, Driver, DriverError, Environment, IMAGE_SETTING, Image, Isolation,
    Kind, PrepareContext, Resource, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use serde_json::Value;
use std::collections::BTreeMap;

const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "storage",
        kind: Kind::Choice(&["dir", "btrfs", "lvm", "zfs"]),
        default: None,
        help: "storage driver of a pool that is created for the session; default: dir",
    },
    SettingDef {
        key: "pool",
        kind: Kind::Text,
        default: None,
        help: "an existing storage pool that is used instead",
    },
    SettingDef {
        key: "socket",
        kind: Kind::Text,
        default: None,
        help: "path of the daemon's socket; default: taken from the daemon's environment variables, \
               otherwise where the distribution's packages put it",
    },
];

/// The API's only version.
const API: &str = "1.0";

impl Daemon {
    /// Connects, and checks that the requested storage is available. Returns the client, the daemon's
    /// information about itself, and the storage driver.
    fn examine(
        &self,
        settings: &Settings,
        deadline: &Deadline,
    ) -> Result<(Client, Value, String), DriverError> {
        let client = Client::new(self.socket(settings)?)?;
        let subject = || client.socket.display().to_string();
        let said = client.get("/1.0", deadline).map_err(|error| error.during("ask daemon at", subject()))?;
        let said = said["metadata"].clone();
        let unavailable = |reason: String, remedy: &str| Err(Unavailable::new(reason, remedy).into());
        if said["api_version"] != API {
            return unavailable(
                format!("the program that listens at {} does not support API {API}", subject()),
                self.remedy,
            );
        }
        if said["auth"] != "trusted" {
            return unavailable(
                format!("the daemon at {} does not trust this user", subject()),
                "run isotare as root or as a member of the daemon's administrators' group",
            );
        }
        let wanted = settings.text("storage");
        if let Some(name) = settings.text("pool") {
            let found = match client.get(&pool(name), deadline) {
                Err(error) if error.is_absent() => {
                    return unavailable(format!("there is no storage pool {name}"), "name an existing pool");
                }
                other => other.map_err(|error| error.during("look at pool", name))?,
            };
            let has = found["metadata"]["driver"].as_str().unwrap_or_default().to_owned();
            return match wanted.is_none_or(|wanted| wanted == has) {
                true => Ok((client, said, has)),
                false => unavailable(
                    format!("the storage driver of pool {name} is {has}"),
                    "remove storage=, or name another pool",
                ),
            };
        }
        let wanted = wanted.unwrap_or("dir");
        let supported = said["environment"]["storage_supported_drivers"].as_array();
        match supported.is_none_or(|drivers| drivers.iter().any(|driver| driver["Name"] == wanted)) {
            true => Ok((client, said, wanted.to_owned())),
            false => unavailable(
                format!("the daemon cannot create pools of type {wanted}"),
                "install the storage driver's tools and restart the daemon, or choose another storage driver \
                 with storage=",
            ),
        }
    }
}

impl Driver for Daemon {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: false,
            host_files: false,
            rootless: false,
            pause: true,
            segment: Attaching::WhenReady,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the host's",
            system_calls: "all, except for a few that the daemon's seccomp policy refuses",
            root: "a user of the host without permissions there (in a user namespace)",
            sources: self.sources,
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let (_, said, storage) =
            self.examine(settings, &cx.deadline).map_err(|error| error.unavailable(self.remedy))?;
        let text = |key: &str| said["environment"][key].as_str().unwrap_or("unknown").to_owned();
        let details =
            BTreeMap::from([("storage".to_owned(), storage), ("driver".to_owned(), text("driver_version"))]);
        Ok(RuntimeInfo { version: format!("{} {}", text("server"), text("server_version")), details })
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        let (client, _, storage) = self.examine(settings, &cx.deadline)?;
        Ok(Box::new(IncusEnvironment::prepare(self.name, client, &storage, settings, image, cx)?))
    }

    fn release(&self, resource: &Resource, deadline: &Deadline) -> Result<bool, DriverError> {
        match resource {
            Resource::Managed { driver, what, id } if driver == self.name => release(what, id, deadline),
            _ => Ok(false),
        }
    }
}
