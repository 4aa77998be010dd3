//! The driver: settings, and whether the machine can be reached and runs our agent.

use super::environment::SshEnvironment;
use super::target::Target;
use crate::installed::version;
use isotare_core::{
    Capabilities, Deadline, Driver, DriverError, Environment, Image, Isolation, Kind, PrepareContext,
    Resource, RuntimeInfo, SettingDef, Settings, Unavailable,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

/// Machines reached by SSH.
#[derive(Debug)]
pub struct Ssh;

const fn text(key: &'static str, help: &'static str) -> SettingDef {
    SettingDef { key, kind: Kind::Text, default: None, help }
}

pub(super) const SETTINGS: &[SettingDef] = &[
    text("host", "the machine, as for ssh: a name in ~/.ssh/config, a host name or an address"),
    SettingDef { key: "port", kind: Kind::Integer { min: 1, max: 65535 }, default: None, help: "its port" },
    text("user", "the user on that machine"),
    text(
        "key",
        "file of the private key; no other key is tried; without it, ssh-agent and ~/.ssh are used; a password is never given",
    ),
    text("known-hosts", "file of known host keys, instead of the user's and the system's"),
    text("config", "configuration file, instead of ~/.ssh/config"),
    text("folder", "folder on that machine in which a private folder is created; default: /var/tmp"),
];

/// What [`Resource::Managed`] of ours is: a folder of the remote machine.
const FOLDER: &str = "folder";

/// Configuration files that were given to this process, by record. They are needed because the end of a
/// session also removes things by its records.
static CONFIGURATIONS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Records a target for [`Ssh::release`]. Its configuration file is known only to this process.
pub(super) fn record(target: &Target) -> serde_json::Result<Resource> {
    let id = target.record()?;
    if let (Some(config), Ok(mut known)) = (target.config(), CONFIGURATIONS.lock()) {
        known.insert(id.clone(), config.to_owned());
    }
    Ok(Resource::Managed { driver: "ssh".to_owned(), what: FOLDER.to_owned(), id })
}

/// The command for the probe, and how its output begins.
const WHO: &str = "printf '%s ' isotare-probe && uname -srm";

impl Driver for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn summary(&self) -> &'static str {
        "a machine that is already running, reached with SSH; it runs its own programs, without a budget"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: true,
            host_files: false,
            rootless: true,
            pause: false,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            kernel: "the remote machine's",
            system_calls: "none; they go to the remote machine's kernel",
            root: "the user who logs in, only on the remote machine",
            sources: &["ssh(1)", "sshd(8)"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let target = Target::read(settings, cx.session)?;
        let said = target.ask(WHO, None, &cx.work.join("ssh.log"), &cx.deadline)?;
        let machine = said
            .lines()
            .find_map(|line| line.split_once("isotare-probe ").map(|(_, rest)| rest.trim().to_owned()))
            .ok_or_else(|| {
                Unavailable::new(
                    format!("its shell printed: {}", said.trim()),
                    "log in by hand to see what is wrong",
                )
            })?;
        let ours = std::env::consts::ARCH;
        if !machine.starts_with("Linux ") || !machine.ends_with(ours) {
            let remedy = format!("use a machine with Linux on {ours}, like this one; the agent needs it");
            return Err(Unavailable::new(format!("the machine is {machine}"), remedy));
        }
        let client = version(Path::new("ssh"), &["-V"], &cx.deadline)?;
        Ok(RuntimeInfo { version: machine, details: BTreeMap::from([("client".to_owned(), client)]) })
    }

    fn prepare(
        &self,
        settings: &Settings,
        _: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(SshEnvironment::prepare(settings, cx)?))
    }

    fn release(&self, resource: &Resource, deadline: &Deadline) -> Result<bool, DriverError> {
        let Resource::Managed { driver, what, id } = resource else { return Ok(false) };
        if driver != self.name() || what != FOLDER {
            return Ok(false);
        }
        let known = CONFIGURATIONS.lock().ok().and_then(|known| known.get(id).cloned());
        let target = Target::of_record(id, known)?;
        let there = format!("test -e {0} && rm -rf -- {0} && echo isotare-removed || true", target.folder);
        // A private folder: in a shared one, another user could have created a link with the log's name.
        let folder =
            tempfile::tempdir().map_err(|e| DriverError::failed("make log of", &target.folder, e))?;
        let said = target.ask(&there, None, &folder.path().join("log"), deadline)?;
        Ok(said.contains("isotare-removed"))
    }
}
