//! The driver: settings, and the way from them to a launcher's order.

use super::filter;
use super::inside::PROFILE;
use super::order::Order;
use super::rung::{Chosen, NAMES, Rung, choose};
use crate::container::broker::seccomp;
use crate::container::{rerun, veth};
use crate::installed::root_only;
use crate::oci::agent_command;
use crate::root::{SOCKET, Tree};
use crate::spawned::{Spawned, budget_fact, usable_cgroups};
use isotare_cgroup::Hierarchies;
use isotare_core::{
    Attaching, Capabilities, Cause, Driver, DriverError, Environment, IMAGE_SETTING, Image, Instance,
    InstanceContext, Isolation, Kind, PrepareContext, Resource, RuntimeInfo, SettingDef, Settings,
    Unavailable,
};
use isotare_host::{Spawn, output_of};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Mechanisms of isolation, one after another.
#[derive(Debug)]
pub struct Ladder;

pub(super) const SETTINGS: &[SettingDef] = &[
    IMAGE_SETTING,
    SettingDef {
        key: "upto",
        kind: Kind::Choice(NAMES),
        default: None,
        help: "the highest rung: this mechanism and all before it are applied; default: all mechanisms",
    },
    SettingDef {
        key: "only",
        kind: Kind::Choice(NAMES),
        default: None,
        help: "only this mechanism, with those that it needs (root needs mount, veth needs net)",
    },
];

struct LadderEnvironment {
    launcher: PathBuf,
    chosen: Chosen,
    agent: PathBuf,
    tree: Tree,
    filter: PathBuf,
    ip: Option<PathBuf>,
    hierarchies: Result<Hierarchies, String>,
}

impl Driver for Ladder {
    fn name(&self) -> &'static str {
        "ladder"
    }

    fn summary(&self) -> &'static str {
        "the same process with one more isolation mechanism on each rung: shows the cost of each mechanism"
    }

    fn settings(&self) -> &'static [SettingDef] {
        SETTINGS
    }

    fn variants(&self) -> &'static [&'static str] {
        &[
            "",
            "upto=none",
            "upto=cgroup",
            "upto=mount",
            "upto=pid",
            "upto=uts",
            "upto=ipc",
            "upto=net",
            "upto=user",
            "upto=cgroupns",
            "upto=root",
            "upto=capabilities",
            "upto=no-new-privs",
            "upto=seccomp",
            "upto=apparmor",
        ]
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
            system_calls: "all; from the rung 'seccomp' on, those of Docker's default profile",
            root: "the host's root; from the rung 'user' on, root of a user namespace that maps it to itself",
            sources: &["namespaces(7)", "capabilities(7)", "seccomp(2)", "pivot_root(2)"],
        }
    }

    fn probe(&self, settings: &Settings, cx: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        let see = "docs/drivers/ladder.md says what the kernel has to allow";
        let broken = |error: &dyn std::fmt::Display| Unavailable::new(error.to_string(), see);
        let environment = LadderEnvironment::prepare(settings, &Image::default(), cx)
            .map_err(|error| error.unavailable(see))?;
        // Runs a launcher until the agent reports that its socket does not exist.
        let (work, control) = (cx.work.join("probe"), cx.work.join("probe-control"));
        for folder in [&work, &control] {
            fs::create_dir(folder).map_err(|e| broken(&e))?;
        }
        // Nobody listens there.
        fs::write(control.join(SOCKET), "").map_err(|e| broken(&e))?;
        let mut order = environment.order(&work, &control, cx.budget.cpus.clone());
        order.rungs.retain(|rung| *rung != Rung::Veth);
        let order = serde_json::to_string(&order).map_err(|e| broken(&e))?;
        let output = output_of(&environment.launcher, &[rerun::LAUNCHER, &order], &cx.deadline)
            .map_err(|e| broken(&e))?;
        let said = String::from_utf8_lossy(&output.stderr);
        match said.lines().find(|line| !line.starts_with("isotare-agent:")) {
            Some(line) => Err(broken(&line)),
            None => {
                let release = rustix::system::uname().release().to_string_lossy().into_owned();
                Ok(RuntimeInfo { version: format!("Linux {release}"), details: environment.ladder_facts() })
            }
        }
    }

    fn prepare(
        &self,
        settings: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        Ok(Box::new(LadderEnvironment::prepare(settings, image, cx)?))
    }
}

impl LadderEnvironment {
    fn prepare(settings: &Settings, image: &Image, cx: &PrepareContext<'_>) -> Result<Self, DriverError> {
        root_only("the ladder")?;
        let chosen = choose(settings, apparmor)?;
        let has = |rung| chosen.rungs.contains(&rung);
        let failed = |error: Cause| DriverError::failed("prepare", "ladder", error);
        let filter = cx.work.join("filter");
        if has(Rung::Seccomp) {
            let program = seccomp::compile().map_err(|e| failed(e.into()))?;
            fs::write(&filter, filter::encode(&program)).map_err(|e| failed(e.into()))?;
        }
        let hierarchies = match has(Rung::Cgroup) {
            true => Ok(usable_cgroups().map_err(|e| failed(e.into()))?),
            false => Err("this rung has no cgroup".to_owned()),
        };
        let ip = if has(Rung::Veth) { Some(veth::usable()?) } else { None };
        let launcher = rerun::program().map_err(|e| failed(e.into()))?;
        let tree = Tree::lay_out(image, cx)?;
        Ok(Self { launcher, chosen, agent: cx.agent.to_owned(), tree, filter, ip, hierarchies })
    }

    /// The order for a launcher, without the link.
    fn order(&self, work: &Path, control: &Path, cpus: isotare_core::CpuSet) -> Order {
        let program = match self.chosen.rungs.contains(&Rung::Root) {
            true => agent_command(),
            false => {
                let socket = control.join("agent.sock");
                let words = [&self.agent, Path::new("--socket"), &socket, Path::new("--data"), work];
                words.map(|word| word.to_string_lossy().into_owned()).to_vec()
            }
        };
        Order {
            rungs: self.chosen.rungs.clone(),
            cpus,
            program,
            lowers: self.tree.lowers.clone(),
            work: work.to_owned(),
            control: control.to_owned(),
            filter: self.filter.clone(),
            link: None,
        }
    }

    fn ladder_facts(&self) -> BTreeMap<String, String> {
        let names: Vec<&str> = self.chosen.rungs.iter().map(|rung| rung.name()).collect();
        let applied = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        let left_out = self.chosen.left_out.clone().map(|why| ("ladder.left_out".to_owned(), why));
        std::iter::once(("ladder.mechanisms".to_owned(), applied)).chain(left_out).collect()
    }
}

impl Environment for LadderEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        let mut order = self.order(cx.work, &cx.control(), cx.budget.cpus.clone());
        order.link = self.ip.clone().map(|ip| veth::plan(cx.instance, ip));
        let text = serde_json::to_string(&order)
            .map_err(|e| DriverError::failed("write order for", cx.instance, e))?;
        let spawn = Spawn::new(&self.launcher).arg(rerun::LAUNCHER).arg(text);
        let spawned = Spawned::create(spawn, None, self.hierarchies.as_ref().ok(), cx)?;
        Ok(Box::new(match order.link {
            Some(link) => spawned.leaving(Resource::Link { name: link.name }, cx)?,
            None => spawned,
        }))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.ladder_facts().into_iter().chain([budget_fact(&self.hierarchies)]).collect()
    }
}

/// Whether the kernel has the profile to apply.
fn apparmor() -> Result<(), Unavailable> {
    let profiles = fs::read_to_string("/sys/kernel/security/apparmor/profiles").map_err(|error| {
        Unavailable::new(
            format!("there is no AppArmor here (/sys/kernel/security/apparmor/profiles: {error})"),
            "boot a kernel that has it, with 'apparmor=1 security=apparmor', and mount securityfs",
        )
    })?;
    match profiles.lines().any(|line| line.split(' ').next() == Some(PROFILE)) {
        true => Ok(()),
        false => Err(Unavailable::new(
            format!("AppArmor has no profile {PROFILE}"),
            "start Docker once; Docker loads the profile",
        )),
    }
}
